/** A folder of .debs, published, taken over by followers, and installed by the real apt after the publisher was killed. */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { jsonOf, startCommand } from '../helpers/command-line.ts'
import { type ImportedRelease, privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const run = promisify(execFile)
const ARCHIVES = '/var/cache/apt/archives'
const PACKAGES = 30
const LARGE_BYTES_MIN = 50_000_000
const LARGE_BYTES_MAX = 90_000_000
const missing = skipUnless('apt', 'dpkg')

interface Deb {
  readonly path: string
  readonly name: string
  readonly version: string
  readonly byteLength: number
  readonly sha256: string
}

/** Real ones of this machine's cache where it has enough, else some that are built here. @returns their folder. */
async function collectDebs(t: Assert): Promise<{ directory: string; debs: Deb[] }> {
  const directory = await scratchFolder(t)
  const architecture = (await run('dpkg', ['--print-architecture'])).stdout.trim()
  const chosen = await chooseReal(architecture)
  for (const path of chosen) await copyFile(path, join(directory, basename(path)))
  for (let i = chosen.length; i < PACKAGES; i++) {
    const byteLength = i === chosen.length ? LARGE_BYTES_MIN + 5_000_000 : 3 ** (i % 15)
    const files = { [`usr/share/built-${i}/data`]: randomBytes(byteLength) }
    await buildDeb(directory, { name: `built-${i}`, version: `1:${i}.0-1`, architecture, files, compression: 'none' })
  }
  const debs: Deb[] = []
  for (const file of await readdir(directory)) {
    const path = join(directory, file)
    const { stdout } = await run('dpkg-deb', ['--show', '--showformat', '${Package} ${Version}', path])
    const [name = '', version = ''] = stdout.split(' ')
    const bytes = await readFile(path)
    debs.push({
      path,
      name,
      version,
      byteLength: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
  }
  return { directory, debs }
}

/** One above 50 MB, and others evenly over the sizes that there are. */
async function chooseReal(architecture: string): Promise<string[]> {
  const names = await readdir(ARCHIVES).catch(() => [] as string[]) // no apt cache: all are built here
  const sizes: { path: string; size: number; name: string }[] = []
  for (const file of names) {
    const [name = '', , suffix] = file.split('_')
    if (suffix !== `${architecture}.deb` && suffix !== 'all.deb') continue
    const { size } = await stat(join(ARCHIVES, file))
    sizes.push({ path: join(ARCHIVES, file), size, name })
  }
  sizes.sort((a, b) => a.size - b.size)
  const large = sizes.find(({ size }) => size > LARGE_BYTES_MIN && size < LARGE_BYTES_MAX)
  const small = sizes.filter(({ size, name }, i) => size < 5_000_000 && name !== sizes[i - 1]?.name)
  if (large === undefined || small.length < PACKAGES) return []
  const step = (small.length - 1) / (PACKAGES - 2)
  const spread = Array.from({ length: PACKAGES - 1 }, (_, i) => small[Math.round(i * step)]?.path ?? '')
  return [large.path, ...new Set(spread)]
}

/** `apt-get update` and `download` of every package from the node's gateway, trusting nothing but the channel's key. */
async function downloadAll(t: Assert, node: TestNode, keyring: string, debs: readonly Deb[]): Promise<void> {
  const apt = await scratchApt({ sources: [`deb [signed-by=${keyring}] ${node.gateway}/debs debs main`] })
  t.teardown(() => apt.remove())
  const update = await apt.update()
  t.is(update.exitCode, 0, `apt-get update: ${update.exitCode === 0 ? 'done' : update.output}`)
  const download = await apt.download(debs.map(({ name, version }) => `${name}=${version}`))
  t.is(download.exitCode, 0, `apt-get download: ${download.exitCode === 0 ? 'done' : download.output}`)
  const total = debs.reduce((sum, { byteLength }) => sum + byteLength, 0)
  t.comment(
    `apt-get download of ${debs.length} packages, ${(total / 1e6).toFixed(0)} MB: ${Math.round(download.elapsedMs)} ms`,
  )
  const got = new Map<string, string>()
  for (const path of download.paths)
    got.set(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
      path,
    )
  t.alike([...got.keys()].sort(), debs.map(({ sha256 }) => sha256).sort(), 'the same bytes as published')
  for (const path of got.values()) {
    const into = join(apt.root, 'unpacked', basename(path))
    await mkdir(into, { recursive: true })
    const unpacked = await run('dpkg-deb', ['-x', path, into]).then(() => 'unpacked', String)
    if (unpacked !== 'unpacked') t.fail(`${basename(path)}: ${unpacked}`)
  }
  t.pass('dpkg-deb unpacks each')
}

test(
  'deb dir: the publisher is killed → apt verifies and downloads from followers, the second fed by the first',
  { timeout: 240_000 },
  async (t) => {
    if (missing !== null) return t.comment(missing)
    const { directory, debs } = await collectDebs(t)
    t.ok(debs.length >= PACKAGES && debs.some(({ byteLength }) => byteLength > LARGE_BYTES_MIN), 'one is above 50 MB')
    const network = await privateNetwork(t)
    const home = await scratchFolder(t)
    const more = ['--gateway', '127.0.0.1:0', '--bootstrap', network.address]
    const publisher = startCommand(t, 'start', '--home', home, ...more, '--json')
    await publisher.line()
    const { id } = await jsonOf<{ id: string }>('channel', 'create', 'debs', '--home', home)
    const imported = await jsonOf<ImportedRelease>('import', 'debs', '--deb-dir', directory, '--home', home)
    t.is(imported.artifacts, debs.length)

    const first = await network.node()
    await first.call('follow', { id })
    await first.announced(1)
    const { files } = await first.call<{ files: { sha256: string }[] }>('fetch', {
      channel: 'debs',
      packages: debs.map(({ name, version }) => `${name}=${version}`),
    })
    t.is(files.length, debs.length, 'the first follower has fetched all')
    const second = await network.node()
    await second.call('follow', { id })
    await second.announced(1)
    t.is((await publisher.signal('SIGKILL')).exitCode, null, 'killed')

    const { key } = await first.call<{ key: string }>('channel.key', { name: 'debs' })
    const keyring = join(await scratchFolder(t), 'debs.asc')
    await writeFile(keyring, key)
    await downloadAll(t, first, keyring, debs)
    t.is(second.node.status().pool.artifacts, 0, 'the second follower has nothing yet')
    await downloadAll(t, second, keyring, debs)
    t.is(second.node.status().pool.artifacts, debs.length, 'and all of it now, from the first')
  },
)
