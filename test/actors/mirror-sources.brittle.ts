/** Mirrors beside peers in one transfer: when they are asked, which of them, and who takes the place of one that fails. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { MirrorSources } from '../../actors/ports/mirror-sources.ts'
import { PeerSet } from '../../protocols/peers.ts'
import type { PieceChannel } from '../../protocols/pieces.ts'
import { transfer } from '../../protocols/transfer.ts'
import { keyHex } from '../../schemas/units.ts'
import { type MirrorServer, mirrorServer } from '../helpers/mirror-server.ts'
import { codeOf, type Fixture, fixture, openPool, temporaryFolder, withoutRoot } from '../helpers/pool-fixtures.ts'
import { sharingWith } from '../helpers/sharing.ts'

const PATH = 'pool/main/a/aa/aa_1_amd64.deb'
const KEY = keyHex(Buffer.alloc(32, 1))

/** A peer that has everything and never says a word. */
function silentPeer(): PieceChannel {
  const wait = (signal?: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
  return {
    remoteKey: KEY,
    closed: false,
    givesLayers: true,
    ask: (_, __, ___, signal) => wait(signal),
    askLayer: (_, __, signal) => wait(signal),
    close() {},
  }
}

interface Run {
  readonly outcome: string
  readonly log: readonly string[]
  readonly sources: MirrorSources
}

async function fetchFrom(
  t: Assert,
  file: Fixture,
  peers: PeerSet,
  mirrors: readonly MirrorServer[],
  options: { root?: boolean; path?: string | null } = {},
): Promise<Run> {
  const pool = await openPool(t, join(await temporaryFolder(t), 'pool'))
  const log: string[] = []
  const sharing = await sharingWith(t)
  const sources = new MirrorSources({ now: Date.now, log: (_, message) => log.push(message), sharing })
  const sink = await pool.begin(options.root === false ? withoutRoot(file) : file.artifact)
  t.teardown(() => sink.close(), { order: -2 })
  const { path = PATH } = options
  const turn = sources.begin(peers, sink.artifact, { path, mirrors: mirrors.map(({ url }) => url) })
  const running = transfer(sink, turn.peers, {
    signal: new AbortController().signal,
    peersMs: 1000,
    onPiece: () => turn.pieceCame(),
    onShun: (peer, error) => turn.shunned(peer, error),
  })
  const outcome = await codeOf(running.finally(() => turn.end()))
  return { outcome, log, sources }
}

for (const byteLength of [50_000, 3_000_001]) {
  test(`mirror sources: a peer that says nothing → ${byteLength} bytes from the mirror all the same`, async (t) => {
    const file = fixture(byteLength, 1)
    const mirror = await mirrorServer(t, { [PATH]: file.bytes })
    const peers = new PeerSet()
    peers.add(silentPeer())
    t.is((await fetchFrom(t, file, peers, [mirror])).outcome, 'none')
    t.is(peers.size, 1, 'the mirror was a source of these transfers only')
  })
}

test('mirror sources: mirrors that do not have the file → the next one is asked, whoever else fails', async (t) => {
  const file = fixture(700_000, 2)
  const empty = await Promise.all([1, 2, 3].map(() => mirrorServer(t)))
  const mirror = await mirrorServer(t, { [PATH]: file.bytes })
  const run = await fetchFrom(t, file, new PeerSet(), [...empty, mirror])
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
  t.is((await fetchFrom(t, file, new PeerSet(), [mirror])).outcome, 'ARTIFACT_UNAVAILABLE')
  t.is(mirror.requests.length, 1, 'asked once')
  t.is((await fetchFrom(t, file, new PeerSet(), [mirror], { path: null })).outcome, 'ARTIFACT_UNAVAILABLE')
  t.is(mirror.requests.length, 1)
})

test('mirror sources: all mirrors lie → each is named, none is asked twice', async (t) => {
  const file = fixture(600_000, 4)
  const lies = { [PATH]: Buffer.alloc(600_000, 'x') }
  const liars = [await mirrorServer(t, lies), await mirrorServer(t, lies)]
  for (const root of [false, true]) {
    const run = await fetchFrom(t, file, new PeerSet(), liars, { root })
    t.is(run.outcome, 'ARTIFACT_UNAVAILABLE')
    for (const { url } of liars) t.alike(run.sources.scores.of(url).wrong, [file.artifact.digest])
  }
  t.alike(
    liars.map(({ requests }) => requests.length),
    [6, 6],
    'three pieces, two transfers',
  )
})
