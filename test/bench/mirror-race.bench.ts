/** One file, and many small ones, from a mirror beside peers that are of little use, against the mirror alone. */
import { MirrorSources } from '../../actors/ports/mirror-sources.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import type { GuardedMux } from '../../protocols/guard.ts'
import { RateLimit } from '../../protocols/rate-limit.ts'
import type { ArtifactSource } from '../../protocols/shared-bundle.ts'
import { dripping, lying, silent } from '../helpers/bad-peers.ts'
import { connect, fetchInto, logOf, type Node, nodeOf, NOTHING, poolWith } from '../helpers/exchange-peers.ts'
import { mirrorServer, servedOver } from '../helpers/mirror-server.ts'
import { fixture, type Fixture, type Scope, withoutRoot } from '../helpers/pool-fixtures.ts'
import { type Bench, bench, median } from './bench.ts'

const RUNS = 3
const PATH = 'pool/main/a/aa/aa_1_amd64.deb'
/** A mirror over a line of 24 Mbit/s, 20 ms away. */
const MIRROR_RATE = 3_000_000
const DELAY_MS = 20
/** Four seconds of it. */
const LARGE = [fixture(12_000_000, 1)]
/** One after the other, as apt asks for them. */
const SMALL = Array.from({ length: 120 }, (_, i) => fixture(20_000 + i * 1_000, 10 + i))
const SLOW_RATE = 100_000

/** Whom the taker is connected to. */
type Peers = (scope: Scope, taker: Node, files: readonly Fixture[]) => Promise<unknown>

async function seed(scope: Scope, taker: Node, files: readonly Fixture[], options: SeedOptions): Promise<unknown> {
  const pool = await poolWith(scope, ...files)
  const { source = pool, rate = null } = options
  const limits = { upload: new RateLimit(rate) }
  return connect(scope, taker, nodeOf(scope, taker.log, typeof source === 'function' ? source(pool) : source, limits))
}

interface SeedOptions {
  readonly source?: ArtifactSource | ((pool: Awaited<ReturnType<typeof poolWith>>) => ArtifactSource)
  readonly rate?: number
}

const hostile =
  (kind: (...files: readonly Fixture[]) => (mux: GuardedMux) => void): Peers =>
  (scope, taker, files) =>
    connect(scope, taker, kind(...files))

const PEERS: Readonly<Record<string, Peers>> = {
  'absent: a peer that has nothing': (scope, taker, files) => seed(scope, taker, files, { source: NOTHING }),
  'stalling: shows everything, gives nothing': hostile(silent),
  'dripping: a byte a second': hostile(dripping),
  'lying: every piece is wrong': (scope, taker, files) => seed(scope, taker, files, { source: lying }),
  'slow: 100 kB/s': (scope, taker, files) => seed(scope, taker, files, { rate: SLOW_RATE }),
  'slow: half as fast as the mirror': (scope, taker, files) => seed(scope, taker, files, { rate: MIRROR_RATE / 2 }),
  'three: one stalls, one lies, one is slow': async (scope, taker, files) => {
    await hostile(silent)(scope, taker, files)
    await seed(scope, taker, files, { source: lying })
    await seed(scope, taker, files, { rate: SLOW_RATE })
  },
  'good: as fast as it can': (scope, taker, files) => seed(scope, taker, files, {}),
}

/** @returns seconds until all of them are here. */
async function fetchAll(files: readonly Fixture[], hasRoot: boolean, peers: Peers | null): Promise<number> {
  const cleanups: (() => unknown)[] = []
  const scope: Scope = { teardown: (cleanup) => void cleanups.push(cleanup) }
  try {
    const mirror = await mirrorServer(scope, Object.fromEntries(files.map(({ bytes }, i) => [`${PATH}${i}`, bytes])))
    mirror.misbehave = servedOver(new RateLimit(MIRROR_RATE), DELAY_MS)
    const artifacts = files.map((file) => (hasRoot ? file.artifact : withoutRoot(file)))
    const pool = await poolWith(scope)
    const taker = nodeOf(scope, logOf(artifacts.map((artifact) => [artifact])), pool)
    if (peers !== null) await peers(scope, taker, files)
    const sources = new MirrorSources({ now: Date.now, log: () => {}, sharing: { count: () => {} } })
    const startedAtMs = performance.now()
    for (const [block, artifact] of artifacts.entries()) {
      const mirrored = { path: `${PATH}${block}`, mirrors: [mirror.url] }
      const tally = new FetchTally(Date.now)
      const turn = sources.begin(artifact.digest, mirrored, tally, () => taker.exchanges.newLine())
      const { outcome } = await fetchInto(scope, taker, pool, artifact, { block, turn, tally })
      if ((await outcome) !== 'none') throw new Error(await outcome)
      turn.end()
    }
    return (performance.now() - startedAtMs) / 1000
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup()
  }
}

async function runs(files: readonly Fixture[], hasRoot: boolean, peers: Peers | null): Promise<number[]> {
  const seconds: number[] = []
  for (let run = 0; run < RUNS; run++) seconds.push(await fetchAll(files, hasRoot, peers))
  return seconds
}

async function table(b: Bench, what: string, files: readonly Fixture[], hasRoot: boolean): Promise<void> {
  const alone = await runs(files, hasRoot, null)
  b.figure(`${what}: the mirror alone`, alone, 's')
  for (const [name, peers] of Object.entries(PEERS)) {
    const seconds = await runs(files, hasRoot, peers)
    const ratios = seconds.map((one) => one / median(alone))
    b.figure(`— ${name}`, ratios, 'of it', name.startsWith('good') ? '' : 'at most 1.1')
  }
}

const bytes = LARGE.reduce((sum, file) => sum + file.bytes.byteLength, 0)
await bench('mirror-race: a mirror of 3 MB/s beside peers', null, async (b) => {
  b.text('a line of that rate takes for the large file', `${(bytes / MIRROR_RATE).toFixed(2)} s`)
  await table(b, '12 MB', LARGE, true)
  await table(b, '12 MB, published without bytes', LARGE, false)
  await table(b, '120 small files in turn', SMALL, true)
})
