/** Mirrors beside peers in one fetch: when they are asked, which of them, and who takes the place of one that fails. */
import test, { type Assert } from 'brittle'
import { MirrorSources } from '../../actors/ports/mirror-sources.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import type { GuardedMux } from '../../protocols/guard.ts'
import { bundleOf } from '../../schemas/bundle-files.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import { connect, DISCOVERY_KEY, fetchInto, hostile, logOf, nodeOf, poolWith } from '../helpers/exchange-peers.ts'
import { type MirrorServer, mirrorServer } from '../helpers/mirror-server.ts'
import { type Fixture, fixture, withoutRoot } from '../helpers/pool-fixtures.ts'
import { sharingWith } from '../helpers/sharing.ts'

const PATH = 'pool/main/a/aa/aa_1_amd64.deb'

/** A peer that shows everything of the one file and never gives a block. */
function silent({ artifact }: Fixture): (mux: GuardedMux) => void {
  const { blocks, pieces } = bundleOf([artifact])
  const maps = { held: NumberSet.full(blocks).encode(), wanted: new NumberSet(pieces).encode() }
  return hostile((session) => ({
    open: () => void session().send.open({ handle: 0, discoveryKey: DISCOVERY_KEY, block: 0, part: 0, ...maps }),
  }))
}

interface Run {
  readonly outcome: string
  readonly log: readonly string[]
  readonly sources: MirrorSources
}

interface RunOptions {
  readonly root?: boolean
  readonly path?: string | null
  readonly peer?: (mux: GuardedMux) => void
}

async function fetchFrom(
  t: Assert,
  file: Fixture,
  mirrors: readonly MirrorServer[],
  options: RunOptions = {},
): Promise<Run> {
  const { root = true, path = PATH, peer } = options
  const artifact = root ? file.artifact : withoutRoot(file)
  const pool = await poolWith(t)
  const node = nodeOf(t, logOf([[artifact]]), pool)
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
    use: (bundle, number) => turn.use(bundle, number),
    onStarved: () => turn.starved(),
  })
  return { outcome: await outcome.finally(() => turn.end()), log, sources }
}

for (const byteLength of [50_000, 3_000_001]) {
  test(`mirror sources: a peer that says nothing → ${byteLength} bytes from the mirror all the same`, async (t) => {
    const file = fixture(byteLength, 1)
    const mirror = await mirrorServer(t, { [PATH]: file.bytes })
    t.is((await fetchFrom(t, file, [mirror], { peer: silent(file) })).outcome, 'none')
  })
}

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
