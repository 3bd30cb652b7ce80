/** Mirrors beside peers in one fetch: when they are asked, which of them, and who takes the place of one that fails. */
import test, { type Assert } from 'brittle'
import { MirrorSources } from '../../actors/ports/mirror-sources.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import { RateLimit } from '../../protocols/rate-limit.ts'
import { dripping, lying, silent } from '../helpers/bad-peers.ts'
import { connect, fetchInto, logOf, type Node, nodeOf, NOTHING, poolWith } from '../helpers/exchange-peers.ts'
import { type MirrorServer, mirrorServer } from '../helpers/mirror-server.ts'
import { type Fixture, fixture, withoutRoot } from '../helpers/pool-fixtures.ts'
import { sharingWith } from '../helpers/sharing.ts'

const PATH = 'pool/main/a/aa/aa_1_amd64.deb'
/** Bytes a second. */
const SLOW_RATE = 50_000

interface Run {
  readonly outcome: string
  readonly log: readonly string[]
  readonly sources: MirrorSources
}

interface RunOptions {
  readonly root?: boolean
  readonly path?: string | null
  /** Of the node that fetches. */
  readonly now?: () => number
  readonly peer?: Parameters<typeof connect>[2]
}

async function fetchFrom(
  t: Assert,
  file: Fixture,
  mirrors: readonly MirrorServer[],
  options: RunOptions = {},
): Promise<Run> {
  const { root = true, path = PATH, peer, now } = options
  const artifact = root ? file.artifact : withoutRoot(file)
  const pool = await poolWith(t)
  const node = nodeOf(t, logOf([[artifact]]), pool, now === undefined ? {} : { now })
  if (peer !== undefined) await connect(t, node, peer)
  const log: string[] = []
  const sources = new MirrorSources({
    now: Date.now,
    log: (_, message) => log.push(message),
    sharing: await sharingWith(t),
  })
  const mirrored = { path, mirrors: mirrors.map(({ url }) => url) }
  const turn = sources.begin(artifact.digest, mirrored, new FetchTally(Date.now), () => node.exchanges.newLine())
  const { outcome } = await fetchInto(t, node, pool, artifact, {
    patienceMs: 1000,
    turn,
  })
  return { outcome: await outcome.finally(() => turn.end()), log, sources }
}

for (const byteLength of [50_000, 3_000_001]) {
  for (const root of [true, false]) {
    for (const peer of [silent, dripping]) {
      const what = `a ${peer.name} peer, ${byteLength} bytes${root ? '' : ' without a root'}`
      test(`mirror sources: ${what} → from the mirror all the same`, async (t) => {
        const file = fixture(byteLength, 1)
        const mirror = await mirrorServer(t, { [PATH]: file.bytes })
        t.is((await fetchFrom(t, file, [mirror], { peer: peer(file), root })).outcome, 'none')
      })
    }
  }
}

/** One that has the file. */
async function seed(t: Assert, file: Fixture, kind: 'slow' | 'lying' | 'good' | 'empty', root = true): Promise<Node> {
  const pool = await poolWith(t, file)
  const source = kind === 'lying' ? lying(pool) : kind === 'empty' ? NOTHING : pool
  const upload = new RateLimit(kind === 'slow' ? SLOW_RATE : null)
  return nodeOf(t, logOf([[root ? file.artifact : withoutRoot(file)]]), source, { upload })
}

for (const root of [true, false]) {
  test(`mirror sources: a peer that is slow, ${root ? 'with' : 'without'} a root → the mirror gives the most`, async (t) => {
    const file = fixture(8_000_001, 1)
    const mirror = await mirrorServer(t, { [PATH]: file.bytes })
    const peer = await seed(t, file, 'slow', root)
    const run = await fetchFrom(t, file, [mirror], { root, peer })
    t.is(run.outcome, 'none')
    t.ok(peer.sentBytes < 4_000_000, `${peer.sentBytes} bytes of the peer`)
    t.ok(mirror.requests.length > 0)
  })
}

test('mirror sources: a peer that lies → the mirror gives it', async (t) => {
  const file = fixture(3_000_001, 1)
  const mirror = await mirrorServer(t, { [PATH]: file.bytes })
  t.is((await fetchFrom(t, file, [mirror], { peer: await seed(t, file, 'lying') })).outcome, 'none')
})

test('mirror sources: a peer that is good → it has the time to say so, and the mirror is not asked', async (t) => {
  const file = fixture(50_000, 1)
  const mirror = await mirrorServer(t, { [PATH]: file.bytes })
  t.is((await fetchFrom(t, file, [mirror], { peer: await seed(t, file, 'good'), now: () => 0 })).outcome, 'none')
  t.is(mirror.requests.length, 0)
})

test('mirror sources: a peer that has nothing → the mirror, as soon as it says so', async (t) => {
  const file = fixture(50_000, 1)
  const mirror = await mirrorServer(t, { [PATH]: file.bytes })
  t.is((await fetchFrom(t, file, [mirror], { peer: await seed(t, file, 'empty') })).outcome, 'none')
})

test('mirror sources: mirrors that do not have the file → the next one is asked, whoever else fails', async (t) => {
  const file = fixture(700_000, 2)
  const empty = await Promise.all([1, 2, 3].map(() => mirrorServer(t)))
  const mirror = await mirrorServer(t, { [PATH]: file.bytes })
  const run = await fetchFrom(t, file, [...empty, mirror])
  t.is(run.outcome, 'none')
  for (const { url } of empty) {
    t.ok(
      run.log.some((line) => line.includes(url) && line.includes('MIRROR_REFUSED')),
      'it is in the log',
    )
    t.is(run.sources.scores.of(url).failures, 0, 'and no fault of it')
  }
})

test('mirror sources: nobody has the file, or nobody knows its path → ARTIFACT_UNAVAILABLE', async (t) => {
  const file = fixture(1000, 3)
  const mirror = await mirrorServer(t)
  t.is((await fetchFrom(t, file, [mirror])).outcome, 'ARTIFACT_UNAVAILABLE')
  t.is(mirror.requests.length, 1, 'asked once')
  t.is((await fetchFrom(t, file, [mirror], { path: null })).outcome, 'ARTIFACT_UNAVAILABLE')
  t.is(mirror.requests.length, 1)
})

test('mirror sources: all mirrors lie → each is named, and asked no more', async (t) => {
  const file = fixture(600_000, 4)
  const lies = { [PATH]: Buffer.alloc(600_000, 'x') }
  const liars = [await mirrorServer(t, lies), await mirrorServer(t, lies)]
  for (const root of [false, true]) {
    const run = await fetchFrom(t, file, liars, { root })
    t.is(run.outcome, 'ARTIFACT_UNAVAILABLE')
    for (const { url } of liars) t.alike(run.sources.scores.of(url).wrong, [file.artifact.digest])
  }
  // Three pieces: once from each alone; where both may give, once from whom it happens to be, and then from each alone.
  for (const { requests } of liars) t.ok(requests.length <= 16, `${requests.length} requests`)
})
