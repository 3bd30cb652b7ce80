/**
 * A package client at a gateway: the machine's own apt where there is one, else a plain HTTP client that checks the same.
 *
 * Either trusts the channel's exported key and nothing else, and compares every file with what was published.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseRelease } from '../../schemas/release-file.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import { readDeb } from '../import/deb-file.ts'
import { hash } from '../import/file-hash.ts'
import { verifyClearSigned } from '../import/openpgp.ts'
import { type DemoPackage, UPGRADED } from './demo-packages.ts'
import { type AptRun, scratchApt, type ScratchApt } from './scratch-apt.ts'
import type { Stage } from './stage.ts'

export interface VisitOptions {
  readonly stage: Stage
  /** http://HOST:PORT of the gateway. */
  readonly gatewayUrl: string
  readonly channel: string
  /** The channel's public key, ASCII-armoured. */
  readonly key: string
  /** What must be there: no more, no less. */
  readonly packages: readonly DemoPackage[]
  readonly say: (text: string) => void
}

export interface Visit {
  readonly client: 'apt' | 'HTTP client'
  readonly updateMs: number
  readonly downloadMs: number
}

const run = promisify(execFile)

/** @throws when anything differs from what was published. */
export async function visitGateway(options: VisitOptions): Promise<Visit> {
  const hasApt = (await exists('apt-get')) && (await exists('dpkg-deb'))
  return hasApt ? visitWithApt(options) : visitWithHttp(options)
}

async function exists(command: string): Promise<boolean> {
  try {
    await run(command, ['--version'])
    return true
  } catch {
    return false // not installed: exactly what is asked here
  }
}

async function visitWithApt({ stage, gatewayUrl, channel, key, packages, say }: VisitOptions): Promise<Visit> {
  const keyring = join(stage.folder, `${channel}.asc`)
  await writeFile(keyring, key)
  const source = `deb [signed-by=${keyring}] ${gatewayUrl}/${channel} ${channel} main`
  const apt = await scratchApt({ sources: [source] })
  say(`sources.list: ${source.replace(`${stage.folder}/`, '')}`)
  const update = await apt.update()
  requireDone('apt-get update', update, stage.signal)
  const complaint = /^[WE]: .*/m.exec(update.output)?.[0]
  if (complaint !== undefined) throw new Error(`apt-get update: ${complaint}`)
  say(`apt-get update: ${/^Fetched .*/m.exec(update.output)?.[0] ?? 'done'}, signature verified`)
  await requirePolicy(apt, packages)
  const download = await apt.download(packages.map(({ name, version }) => `${name}=${version}`))
  requireDone('apt-get download', download, stage.signal)
  await Promise.all(download.paths.map((path) => requireReadable(apt, path, packages)))
  if (download.paths.length !== packages.length) throw new Error(`apt brought ${download.paths.length} files`)
  const fetched = /^Fetched .*/m.exec(download.output)?.[0] ?? 'done'
  say(`apt-get download of ${packages.length} packages: ${fetched}; dpkg-deb reads each`)
  return { client: 'apt', updateMs: update.elapsedMs, downloadMs: download.elapsedMs }
}

function requireDone(what: string, { exitCode, output }: AptRun, signal: AbortSignal): void {
  signal.throwIfAborted()
  if (exitCode !== 0) throw new Error(`${what} ended with ${exitCode}:\n${output.trimEnd()}`)
}

/** apt offers the version that was published last. */
async function requirePolicy(apt: ScratchApt, packages: readonly DemoPackage[]): Promise<void> {
  const wanted = packages.find(({ name }) => name === UPGRADED)?.version
  const [policy] = await apt.policy([UPGRADED])
  if (policy?.candidate !== wanted) {
    throw new Error(`apt's candidate for ${UPGRADED} is ${policy?.candidate ?? 'none'}, not ${wanted}`)
  }
}

async function requireReadable(apt: ScratchApt, path: string, packages: readonly DemoPackage[]): Promise<void> {
  const digest = hash(await readFile(path))
  const published = packages.find((one) => one.digest === digest)
  if (published === undefined) throw new Error(`${path} is not what was published`)
  const fields = await apt.run('dpkg-deb', ['--show', '--showformat', '${Package} ${Version}', path])
  const contents = await apt.run('dpkg-deb', ['--contents', path])
  if (fields.output !== `${published.name} ${published.version}` || contents.exitCode !== 0) {
    throw new Error(`dpkg-deb cannot read ${path}: ${fields.output} ${contents.output}`)
  }
}

async function visitWithHttp({ stage, gatewayUrl, channel, key, packages, say }: VisitOptions): Promise<Visit> {
  const { signal } = stage
  const get = async (path: string): Promise<Buffer> => {
    const response = await fetch(`${gatewayUrl}/${channel}/${path}`, { signal })
    if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`)
    return Buffer.from(await response.arrayBuffer())
  }
  say('no apt here: a plain HTTP client reads and checks the same files')
  const startedAtMs = performance.now()
  const inRelease = await get(`dists/${channel}/InRelease`)
  const { text } = await verifyClearSigned(inRelease, [Buffer.from(key)], Date.now())
  const filenames = new Map<string, string>()
  for (const [path, { digest }] of parseRelease(text.toString()).sha256) {
    const index = await get(`dists/${channel}/${path}`)
    if (hash(index) !== digest) throw new Error(`${path} differs from the signed Release`)
    scanPackages(index, path, (_, stanza) => filenames.set(stanza.digest, stanza.filename))
  }
  const updatedAtMs = performance.now()
  say(`InRelease verified with the channel's key; the index lists ${filenames.size} packages`)
  if (filenames.size !== packages.length) throw new Error(`the index lists ${filenames.size} packages`)
  for (const { name, version, digest } of packages) {
    const bytes = await get(filenames.get(digest) ?? `${name} is not in the index`)
    if (hash(bytes) !== digest) throw new Error(`${name} is not what was published`)
    const path = join(await stage.subfolder('downloads'), `${name}.deb`)
    await writeFile(path, bytes)
    const { fields } = await readDeb(path)
    if (fields.get('Version') !== version) throw new Error(`${name} has version ${fields.get('Version')}`)
  }
  say(`download of ${packages.length} packages: SHA-256 as published; each is a whole .deb`)
  return {
    client: 'HTTP client',
    updateMs: updatedAtMs - startedAtMs,
    downloadMs: performance.now() - updatedAtMs,
  }
}
