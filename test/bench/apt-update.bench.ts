/** Real apt against a follower's gateway and against a plain local HTTP mirror of the same files, in turn. */
import { createHash } from 'node:crypto'
import { get } from 'node:http'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { clearText } from '../../schemas/clear-text.ts'
import { type ScratchApt, scratchApt } from '../../tools/demo/scratch-apt.ts'
import { clearSign, createSigningKey } from '../../tools/import/openpgp.ts'
import { type Bench, bench, has, median, mega } from './bench.ts'
import { aptLists, type CachedDeb, cachedDebs, INDEX, KEYRING, missingLists, readIndex, SUITE } from './debian.ts'
import { type Mirror, startMirror } from './mirror.ts'
import { CHANNEL, importBookworm, startPair } from './pair.ts'

const UPDATES = 7
const DEBS = 30
const DEB_ROUNDS = 5
const DEB_BYTES_MAX = 20_000_000
const STREAMED = 5
const STREAMED_BYTES_MIN = 30_000_000
const STREAMED_BYTES_MAX = 100_000_000

const missing = missingLists() ?? (has('apt-get') ? null : 'there is no apt-get here')

await bench('apt: a follower’s gateway against a plain local HTTP mirror', missing, async (b) => {
  const index = await readIndex()
  const debs = cachedDebs(index)
  const nodes = await startPair(b)
  await importBookworm(nodes)
  await nodes.follower.announced(1)
  const gateway = `${nodes.follower.gateway}/${CHANNEL}`
  const mirror = await startMirror(b)
  b.text('plain mirror', mirror.server)
  await mirror.add(`plain/dists/${SUITE}/InRelease`, await readFile(aptLists().inRelease))
  await mirror.add(`plain/dists/${SUITE}/${INDEX}`, index)
  const few = spread(
    debs.filter(({ byteLength }) => byteLength <= DEB_BYTES_MAX),
    DEBS,
  )
  const large = debs.filter(({ byteLength }) => byteLength >= STREAMED_BYTES_MIN && byteLength <= STREAMED_BYTES_MAX)
  for (const { filename, path } of [...few, ...large]) await mirror.add(`plain/${filename}`, { linkTo: path })
  await updates(b, { gateway, plain: `${mirror.url}/plain`, packed: await packedMirror(b, mirror, index) })
  if (few.length > 0) await downloads(b, gateway, `${mirror.url}/plain`, few)
  if (large.length > 0) await streams(b, gateway, `${mirror.url}/plain`, spread(large, STREAMED))
})

interface PackedMirror {
  readonly url: string
  readonly keyring: string
}

/** As real mirrors are: Packages.xz, which apt prefers. Signed anew, because nobody can repeat the distribution's xz. */
async function packedMirror(b: Bench, mirror: Mirror, index: Buffer): Promise<PackedMirror | null> {
  if (!has('xz')) return null
  const folder = await b.folder()
  await writeFile(join(folder, 'Packages'), index)
  await promisify(execFile)('xz', ['-6', join(folder, 'Packages')])
  const packed = await readFile(join(folder, 'Packages.xz'))
  const { privateKey, publicKey } = await createSigningKey('benchmark')
  const digest = createHash('sha256').update(packed).digest('hex')
  const release = clearText(await readFile(aptLists().inRelease))
    .toString()
    .split('\n')
    .filter((line) => !/^ [0-9a-f]{32} /.test(line) && line !== 'MD5Sum:' && !line.endsWith(`${INDEX}.gz`))
    .map((line) => (line.endsWith(` ${INDEX}.xz`) ? ` ${digest} ${packed.byteLength} ${INDEX}.xz` : line))
    .join('\n')
  await mirror.add(`packed/dists/${SUITE}/InRelease`, await clearSign(release, privateKey))
  await mirror.add(`packed/dists/${SUITE}/${INDEX}.xz`, packed)
  await mirror.add(`packed/dists/${SUITE}/main/binary-amd64/by-hash/SHA256/${digest}`, packed)
  const keyring = join(folder, 'key.asc')
  await writeFile(keyring, publicKey)
  return { url: `${mirror.url}/packed`, keyring }
}

interface Places {
  readonly gateway: string
  readonly plain: string
  readonly packed: PackedMirror | null
}

/** Each time with empty lists, as a first update has them. */
async function updates(b: Bench, { gateway, plain, packed }: Places): Promise<void> {
  const times = { gateway: [] as number[], plain: [] as number[], packed: [] as number[] }
  for (let run = 0; run <= UPDATES; run++) {
    const round = [
      await updateFrom(gateway, KEYRING),
      await updateFrom(plain, KEYRING),
      packed === null ? null : await updateFrom(packed.url, packed.keyring),
    ]
    if (run === 0) continue // the first one fills the page cache
    times.gateway.push(round[0] ?? 0)
    times.plain.push(round[1] ?? 0)
    if (round[2] !== null) times.packed.push(round[2] ?? 0)
  }
  b.figure('apt-get update: gateway', times.gateway, 's')
  b.figure('apt-get update: plain mirror, the same files', times.plain, 's')
  b.figure('— gateway / plain mirror', ratios(times.gateway, times.plain), 'x')
  if (packed === null) return
  b.figure('apt-get update: plain mirror with Packages.xz', times.packed, 's')
  b.figure('— gateway / plain mirror with Packages.xz', ratios(times.gateway, times.packed), 'x')
}

async function updateFrom(url: string, keyring: string): Promise<number> {
  const apt = await scratchApt({ sources: [`deb ${url} ${SUITE} main`], keyrings: [keyring], architecture: 'amd64' })
  try {
    return await updated(apt)
  } finally {
    await apt.remove()
  }
}

async function updated(apt: ScratchApt): Promise<number> {
  const { exitCode, output, elapsedMs } = await apt.update()
  if (exitCode !== 0) throw new Error(`apt-get update ended with ${exitCode}: ${output}`)
  return elapsedMs / 1000
}

/** `apt-get download`: the first time over the follower's peer, then from its pool. */
async function downloads(b: Bench, gateway: string, plain: string, debs: readonly CachedDeb[]): Promise<void> {
  const names = debs.map(({ name, version }) => `${name}=${version}`)
  const apt = async (url: string): Promise<ScratchApt> => {
    const scratch = await scratchApt({
      sources: [`deb ${url} ${SUITE} main`],
      keyrings: [KEYRING],
      architecture: 'amd64',
    })
    b.after(() => scratch.remove())
    await updated(scratch)
    return scratch
  }
  const [fromGateway, fromPlain] = [await apt(gateway), await apt(plain)]
  const first = await downloaded(fromGateway, names)
  const times = { gateway: [] as number[], plain: [] as number[] }
  for (let round = 0; round < DEB_ROUNDS; round++) {
    times.gateway.push(await downloaded(fromGateway, names))
    times.plain.push(await downloaded(fromPlain, names))
  }
  const total = mega(debs.reduce((sum, { byteLength }) => sum + byteLength, 0))
  const what = `apt-get download of ${debs.length} .debs, ${total.toFixed(0)} MB`
  b.figure(`${what}: gateway, while they arrive from a peer`, [first], 's')
  b.figure(`${what}: gateway, from its pool`, times.gateway, 's')
  b.figure(`${what}: plain mirror`, times.plain, 's')
  b.figure('— from a peer / plain mirror', [first / median(times.plain)], 'x')
  b.figure('— from its pool / plain mirror', ratios(times.gateway, times.plain), 'x')
}

/** The folder is emptied by apt itself: it writes the same names again. */
async function downloaded(apt: ScratchApt, names: readonly string[]): Promise<number> {
  await apt.run('sh', ['-c', 'rm -f *.deb'])
  const { exitCode, output, elapsedMs, paths } = await apt.download(names)
  if (exitCode !== 0 || paths.length !== names.length) throw new Error(`apt-get download: ${exitCode}: ${output}`)
  return elapsedMs / 1000
}

interface Stream {
  readonly firstMs: number
  readonly totalMs: number
}

/** A large .deb that the follower does not have: what a client sees while it comes from the publisher. */
async function streams(b: Bench, gateway: string, plain: string, debs: readonly CachedDeb[]): Promise<void> {
  const runs: { byteLength: number; peer: Stream; pool: Stream; plain: Stream }[] = []
  for (const { filename, byteLength, digest } of debs) {
    const [peer, pool, mirror] = [
      await stream(`${gateway}/${filename}`, digest),
      await stream(`${gateway}/${filename}`, digest),
      await stream(`${plain}/${filename}`, digest),
    ]
    runs.push({ byteLength, peer, pool, plain: mirror })
  }
  const rate = (pick: (run: (typeof runs)[number]) => Stream): number[] =>
    runs.map((run) => mega(run.byteLength) / (pick(run).totalMs / 1000))
  const first = (pick: (run: (typeof runs)[number]) => Stream): number[] => runs.map((run) => pick(run).firstMs)
  const sizes = runs.map(({ byteLength }) => mega(byteLength))
  b.figure(`GET of ${runs.length} .debs that the follower lacks: size`, sizes, 'MB')
  b.figure(
    '— first byte: while it arrives from a peer',
    first(({ peer }) => peer),
    'ms',
  )
  b.figure(
    '— first byte: from the pool',
    first(({ pool }) => pool),
    'ms',
  )
  b.figure(
    '— first byte: plain mirror',
    first(({ plain }) => plain),
    'ms',
  )
  b.figure(
    '— rate: while it arrives from a peer',
    rate(({ peer }) => peer),
    'MB/s',
  )
  b.figure(
    '— rate: from the pool',
    rate(({ pool }) => pool),
    'MB/s',
  )
  b.figure(
    '— rate: plain mirror',
    rate(({ plain }) => plain),
    'MB/s',
  )
  b.figure(
    '— time from a peer / plain mirror',
    runs.map(({ peer, plain }) => peer.totalMs / plain.totalMs),
    'x',
  )
  b.figure(
    '— time from the pool / plain mirror',
    runs.map(({ pool, plain }) => pool.totalMs / plain.totalMs),
    'x',
  )
}

/** The client hashes what it gets, as apt does, on all sides alike. */
function stream(url: string, digest: string): Promise<Stream> {
  const startedAtMs = performance.now()
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      const hash = createHash('sha256')
      let firstMs = 0
      response.on('data', (chunk: Buffer) => {
        if (firstMs === 0) firstMs = performance.now() - startedAtMs
        hash.update(chunk)
      })
      response.once('error', reject)
      response.once('end', () => {
        if (response.statusCode !== 200 || hash.digest('hex') !== digest)
          reject(new Error(`${url}: ${response.statusCode}`))
        else resolve({ firstMs, totalMs: performance.now() - startedAtMs })
      })
    }).once('error', reject)
  })
}

/** Of neighbours in time: what else the machine does weighs on both. */
function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, run) => value / (below[run] ?? Number.NaN))
}

function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * (items.length - 1)) / (count - 1))] as T)
}
