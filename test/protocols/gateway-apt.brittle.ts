/** The gateway against the apt of this machine. */
import test, { type Assert } from 'brittle'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Gateway, startGateway } from '../../protocols/gateway.ts'
import { type ScratchApt, scratchApt } from '../../tools/demo/scratch-apt.ts'
import { MemorySource, readChunks, sha256 } from '../helpers/memory-gateway-source.ts'
import { skipUnless } from '../helpers/requires.ts'

const run = promisify(execFile)
const POOL = 'pool/main/h/hello_1_all.deb'
const skip = skipUnless('apt', 'dpkg')

interface Deb {
  readonly bytes: Buffer
  readonly stanza: string
}

async function folder(t: Assert): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'gateway-apt-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function buildDeb(t: Assert, filename: string, version: string): Promise<Deb> {
  const root = await folder(t)
  const control = `Package: hello\nVersion: ${version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: greets\n`
  await mkdir(join(root, 'tree/DEBIAN'), { recursive: true })
  await writeFile(join(root, 'tree/DEBIAN/control'), control)
  await run('dpkg-deb', ['--root-owner-group', '--build', join(root, 'tree'), join(root, 'out.deb')])
  const bytes = await readFile(join(root, 'out.deb'))
  return { bytes, stanza: `${control}Filename: ${filename}\nSize: ${bytes.byteLength}\nSHA256: ${sha256(bytes)}\n\n` }
}

/** Names the .xz and .gz of the index as a distribution's own Release does; only the plain file is served. */
function releaseFile(packages: string, isByHash: boolean): string {
  const plain = Buffer.from(packages)
  const line = (name: string, bytes: Buffer): string =>
    ` ${sha256(bytes)} ${bytes.byteLength} main/binary-amd64/${name}\n`
  const header = `Suite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\nDate: ${new Date().toUTCString()}\n`
  const other = Buffer.from(`not served ${packages}`)
  const lines =
    line('Packages', plain) + line('Packages.gz', other) + line('Packages.xz', Buffer.concat([other, plain]))
  return `${header}${isByHash ? 'Acquire-By-Hash: yes\n' : ''}SHA256:\n${lines}`
}

async function serve(t: Assert, source: MemorySource): Promise<Gateway> {
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    source,
    onError: (error) => t.comment(error.message),
  })
  t.teardown(() => gateway.close())
  return gateway
}

async function apt(t: Assert, sources: string[], keyrings: string[] = []): Promise<ScratchApt> {
  const scratch = await scratchApt({ sources, keyrings, architecture: 'amd64' })
  t.teardown(() => scratch.remove())
  return scratch
}

async function signer(t: Assert): Promise<{ keyring: string; sign: (text: string) => Promise<string> }> {
  const home = await folder(t)
  const gpg = async (...args: string[]): Promise<unknown> =>
    await run('gpg', ['--homedir', home, '--batch', '--yes', '--passphrase', '', ...args])
  t.teardown(() => run('gpgconf', ['--homedir', home, '--kill', 'all']), { order: -1 })
  await gpg('--quick-gen-key', 'Test <test@example.org>', 'ed25519', 'sign', 'never')
  const keyring = join(home, 'test.gpg')
  await gpg('--output', keyring, '--export')
  const sign = async (text: string): Promise<string> => {
    await writeFile(join(home, 'text'), text)
    await gpg('--output', join(home, 'signed'), '--clearsign', join(home, 'text'))
    return await readFile(join(home, 'signed'), 'utf8')
  }
  return { keyring, sign }
}

test(
  'gateway, apt: only the plain Packages is served → update, policy and download work',
  { timeout: 120_000 },
  async (t) => {
    if (skip !== null) return t.comment(skip)
    const deb = await buildDeb(t, POOL, '1')
    const source = new MemorySource()
    source.publish({
      'dists/stable/Release': releaseFile(deb.stanza, true),
      'dists/stable/main/binary-amd64/Packages': deb.stanza,
      [POOL]: deb.bytes,
    })
    const gateway = await serve(t, source)
    const scratch = await apt(t, [`deb [trusted=yes] ${gateway.url}/demo stable main`])
    const update = await scratch.update()
    t.is(update.exitCode, 0, update.exitCode === 0 ? 'updated' : update.output)
    const asked = [...new Set(source.opened)].map((line) => line.replace(/[0-9a-f]{64}/, 'HEX'))
    const packages = '#1 dists/stable/main/binary-amd64'
    t.alike(asked, [
      '#1 dists/stable/InRelease',
      '#1 dists/stable/Release',
      '#1 dists/stable/Release.gpg',
      `${packages}/by-hash/SHA256/HEX`,
      `${packages}/Packages.xz`,
      `${packages}/by-hash/SHA256/HEX`,
      `${packages}/Packages.gz`,
      `${packages}/by-hash/SHA256/HEX`,
      `${packages}/Packages`,
    ])
    t.alike(await scratch.policy(['hello']), [{ name: 'hello', installed: null, candidate: '1' }])
    const download = await scratch.download(['hello'])
    t.is(download.exitCode, 0, download.exitCode === 0 ? 'downloaded' : download.output)
    t.ok((await readFile(download.paths[0] ?? '')).equals(deb.bytes))
    const openedBefore = source.opened.length
    t.is((await scratch.update()).exitCode, 0)
    t.ok(
      source.opened.slice(openedBefore).every((line) => /Release(\.gpg)?$/.test(line)),
      'an unchanged index is not fetched again',
    )
  },
)

test('gateway, apt: a flat repository → works', { timeout: 120_000 }, async (t) => {
  if (skip !== null) return t.comment(skip)
  const deb = await buildDeb(t, './hello_1_all.deb', '1')
  for (const suite of ['./', '/']) {
    const source = new MemorySource({ suite })
    source.publish({ Packages: deb.stanza, 'hello_1_all.deb': deb.bytes })
    const gateway = await serve(t, source)
    const scratch = await apt(t, [`deb [trusted=yes] ${gateway.url}/demo ${suite}`])
    const update = await scratch.update()
    t.is(update.exitCode, 0, update.exitCode === 0 ? 'updated' : update.output)
    t.is((await scratch.download(['hello'])).paths.length, 1)
  }
})

test(
  'gateway, apt: the .deb fails half way → an error, and the next try continues it',
  { timeout: 120_000 },
  async (t) => {
    if (skip !== null) return t.comment(skip)
    const deb = await buildDeb(t, POOL, '1')
    const starts: number[] = []
    const source = new MemorySource({
      read: async function* (path, bytes, start, end) {
        if (path !== POOL) return yield* readChunks(path, bytes, start, end)
        starts.push(start)
        if (starts.length > 1) return yield* readChunks(path, bytes, start, end)
        yield bytes.subarray(0, 100)
        throw new Error('all peers left')
      },
    })
    source.publish({
      'dists/stable/Release': releaseFile(deb.stanza, false),
      'dists/stable/main/binary-amd64/Packages': deb.stanza,
      [POOL]: deb.bytes,
    })
    const gateway = await serve(t, source)
    const scratch = await apt(t, [`deb [trusted=yes] ${gateway.url}/demo stable main`])
    t.is((await scratch.update()).exitCode, 0)
    const install = ['-y', '--download-only', 'install', 'hello']
    const first = await scratch.run('apt-get', install)
    const second = await scratch.run('apt-get', install)
    t.is(second.exitCode, 0, first.exitCode === 0 ? 'continued by apt itself' : 'continued by the next run')
    t.alike(starts, [0, 100], 'continued with a Range request')
    const kept = await readFile(join(scratch.root, 'var/cache/apt/archives/hello_1_all.deb'))
    t.ok(kept.equals(deb.bytes))
  },
)

test('gateway, apt: releases published during updates → never a mix', { timeout: 300_000 }, async (t) => {
  const needs = skip ?? skipUnless('gpg')
  if (needs !== null) return t.comment(needs)
  const { keyring, sign } = await signer(t)
  const source = new MemorySource()
  const signed = new Map<number, string>()
  const releases = 40
  for (let n = 1; n <= releases; n += 1) {
    const packages = `Package: hello\nVersion: ${n}\nArchitecture: all\nFilename: ${POOL}\nSize: 1\nSHA256: ${'0'.repeat(64)}\n\n`
    signed.set(n, await sign(releaseFile(packages, n % 2 === 0)))
    source.publish(
      { 'dists/stable/InRelease': signed.get(n) ?? '', 'dists/stable/main/binary-amd64/Packages': packages },
      1_700_000_000_000 + n * 200,
    )
  }
  // Published one at a time: each request for an InRelease is followed by the next release.
  const all = source.releases.splice(1)
  const gateway = await serve(t, source)
  const machines = await Promise.all(
    [1, 2].map(async () => await apt(t, [`deb ${gateway.url}/demo stable main`], [keyring])),
  )
  const versions = new Set<string>()
  for (let round = 0; round < 10; round += 1) {
    // A few in each round, or on a slow machine the first rounds would use them all up.
    const next = all.splice(0, 4)
    const timer = setInterval(() => source.releases.push(...next.splice(0, 1)), 60)
    const results = await Promise.all(machines.map(async (machine) => await machine.update()))
    clearInterval(timer)
    source.releases.push(...next)
    for (const [index, result] of results.entries()) {
      t.is(result.exitCode, 0, result.exitCode === 0 ? 'updated' : result.output)
      const [policy] = (await machines[index]?.policy(['hello'])) ?? []
      versions.add(policy?.candidate ?? 'none')
    }
  }
  t.absent(versions.has('none'))
  t.ok(versions.size > 3, `versions seen: ${[...versions].join(' ')}`)
})
