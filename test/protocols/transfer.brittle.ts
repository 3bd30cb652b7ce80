/** Transfers between real pools over real sockets, some of whose peers lie, drip, babble or say nothing. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import test from 'brittle'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { pieceCount } from '../../schemas/artifact.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import { PIECE_BYTES, PIECE_PART_BYTES_MAX, PIECE_QUEUE_BYTES_MAX } from '../../schemas/limits.ts'
import { keyHex, type KeyHex } from '../../schemas/units.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { PeerSet } from '../../protocols/peers.ts'
import { piecesProtocol, type Ask } from '../../protocols/piece-frames.ts'
import { openPieces, type PieceChannel } from '../../protocols/pieces.ts'
import type { PieceSource } from '../../protocols/piece-server.ts'
import { transfer } from '../../protocols/transfer.ts'
import type { Pool } from '../../store/pool.ts'
import { closed, tcpPair, until } from '../helpers/connections.ts'
import { codeOf, fixture, openPool, temporaryFolder, withoutRoot, type Fixture } from '../helpers/pool-fixtures.ts'

const NOTHING: PieceSource = {
  held: () => null,
  layer: () => Promise.resolve(null),
  read: () => Promise.reject(new Error('nothing is held')),
}

interface Link {
  readonly channel: PieceChannel
  readonly far: GuardedMux
  readonly near: NoiseSecretStream
  readonly refusals: FreshetError[]
}

/** A connection to a peer; `serve` says what is at the other end. */
async function link(t: Assert, serve: (mux: GuardedMux) => void, windowMs = 300): Promise<Link> {
  const [a, near] = await tcpPair()
  const refusals: FreshetError[] = []
  const far = guardConnection(a)
  const mux = guardConnection(near, { onRefused: (error) => refusals.push(error) })
  serve(far)
  const channel = openPieces(mux, keyHex(near.remotePublicKey as Buffer), NOTHING, { windowMs })
  if (channel === null) throw new Error('the channel is open already')
  t.teardown(() => (a.destroy(), near.destroy()))
  return { channel, far, near, refusals }
}

function honest(source: PieceSource): (mux: GuardedMux) => void {
  return (mux) => void openPieces(mux, keyHex(mux.stream.remotePublicKey as Buffer), source)
}

/** Speaks the frames without the rules. */
type HostileSession = NonNullable<ReturnType<typeof piecesProtocol.open>>

function hostile(onAsk: (ask: Ask, session: HostileSession) => void): (mux: GuardedMux) => void {
  return (mux) => {
    const ignore = (): void => undefined
    const session = piecesProtocol.open(mux, {
      on: {
        ask: (ask) => {
          if (session !== null) onAsk(ask, session)
        },
        askLayer: ignore,
        data: ignore,
        layer: ignore,
        refuse: ignore,
        cancel: ignore,
      },
    })
  }
}

async function poolWith(t: Assert, ...files: Fixture[]): Promise<Pool> {
  const directory = await temporaryFolder(t)
  const pool = await openPool(t, join(directory, 'pool'))
  for (const { artifact, layer, bytes } of files) {
    const partial = await pool.begin(artifact)
    if (layer.byteLength > 0) await partial.acceptLayer(layer)
    for (let piece = 0; piece < pieceCount(bytes.byteLength); piece++) {
      await partial.write(piece, bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES))
    }
    if (!(await partial.complete())) throw new Error('the fixture is wrong')
    await partial.close()
  }
  return pool
}

interface Run {
  readonly outcome: Promise<string>
  readonly shunned: Map<KeyHex, string>
  readonly controller: AbortController
  wrong(): Promise<boolean>
}

interface FetchOptions {
  readonly root?: boolean
  readonly peersMs?: number
  readonly pool?: Pool
}

async function fetchFrom(t: Assert, file: Fixture, peers: PeerSet, options: FetchOptions = {}): Promise<Run> {
  const pool = options.pool ?? (await poolWith(t))
  const sink = await pool.begin(options.root === false ? withoutRoot(file) : file.artifact)
  t.teardown(() => sink.close(), { order: -2 })
  const shunned = new Map<KeyHex, string>()
  const controller = new AbortController()
  const outcome = codeOf(
    transfer(sink, peers, {
      signal: controller.signal,
      onShun: (peer, error) => shunned.set(peer, error.code),
      peersMs: options.peersMs ?? 5000,
    }),
  )
  const wrong = async (): Promise<boolean> => {
    const path = pool.pathOf(file.artifact.digest)
    return path === null || !(await readFile(path)).equals(file.bytes)
  }
  return { outcome, shunned, controller, wrong }
}

function peersOf(...links: Link[]): PeerSet {
  const peers = new PeerSet()
  for (const { channel } of links) peers.add(channel)
  return peers
}

/** Reads as the pool does, and counts. */
function counted(pool: Pool): PieceSource & { reads: number } {
  return {
    reads: 0,
    held: (digest) => pool.held(digest),
    layer: (digest) => pool.layer(digest),
    async read(digest, byteOffset, byteLength) {
      this.reads++
      return pool.read(digest, byteOffset, byteLength)
    },
  }
}

for (const byteLength of [0, 1, 59_000, PIECE_BYTES, 3_000_001]) {
  test(`transfer: ${byteLength} bytes from two honest peers → whole and right`, async (t) => {
    const file = fixture(byteLength, 1)
    const pool = await poolWith(t, file)
    const sources = [counted(pool), counted(pool)]
    const links = await Promise.all(sources.map((source) => link(t, honest(source))))
    const run = await fetchFrom(t, file, peersOf(...links))
    t.is(await run.outcome, 'none')
    t.absent(await run.wrong())
    t.is(run.shunned.size, 0)
    if (byteLength > 8 * PIECE_BYTES)
      t.ok(
        sources.every(({ reads }) => reads > 0),
        'both were asked',
      )
  })
}

test('transfer: one peer sends wrong bytes → PIECE_MISMATCH names it, another completes', async (t) => {
  const file = fixture(3_000_001, 2)
  const pool = await poolWith(t, file)
  const liar = counted(pool)
  liar.read = async (digest, byteOffset, byteLength) => {
    const bytes = Buffer.from(await pool.read(digest, byteOffset, byteLength))
    bytes[0] = (bytes[0] ?? 0) ^ 1
    return bytes
  }
  const bad = await link(t, honest(liar))
  const run = await fetchFrom(t, file, peersOf(bad, await link(t, honest(pool))))
  t.is(await run.outcome, 'none')
  t.absent(await run.wrong())
  t.alike([...run.shunned], [[bad.channel.remoteKey, 'PIECE_MISMATCH']])
})

test('transfer: one peer sends wrong piece hashes → PIECE_MISMATCH names it, another completes', async (t) => {
  const file = fixture(3_000_001, 3)
  const pool = await poolWith(t, file)
  const liar = counted(pool)
  liar.layer = () => Promise.resolve(Buffer.alloc(file.layer.byteLength))
  const bad = await link(t, honest(liar))
  const peers = peersOf(bad)
  const run = await fetchFrom(t, file, peers)
  await until(() => run.shunned.size === 1)
  peers.add((await link(t, honest(pool))).channel)
  t.is(await run.outcome, 'none')
  t.alike([...run.shunned], [[bad.channel.remoteKey, 'PIECE_MISMATCH']])
})

test('transfer: no hashes are known and one of two peers lies → the liar is named, the other completes', async (t) => {
  const file = fixture(1_000_001, 4)
  const pool = await poolWith(t, file)
  const liar = counted(pool)
  liar.read = async (_digest, _byteOffset, byteLength) => Buffer.alloc(byteLength)
  const bad = await link(t, honest(liar))
  const run = await fetchFrom(t, file, peersOf(bad, await link(t, honest(pool))), { root: false })
  t.is(await run.outcome, 'none')
  t.absent(await run.wrong())
  t.alike([...run.shunned], [[bad.channel.remoteKey, 'PIECE_MISMATCH']])
})

test('transfer: a peer says nothing, another drips → PEER_SLOW for both, an honest one completes', async (t) => {
  const file = fixture(1_000_001, 5)
  const pool = await poolWith(t, file)
  const silent = await link(
    t,
    hostile(() => undefined),
  )
  const dripping = await link(
    t,
    hostile(({ requestId }, session) => void session.send.data({ requestId, byteOffset: 0, bytes: Buffer.alloc(1) })),
  )
  const layer = await link(t, honest({ ...counted(pool), read: () => new Promise(() => undefined) }))
  const run = await fetchFrom(t, file, peersOf(layer, silent, dripping))
  await until(() => run.shunned.size === 3)
  t.alike([...run.shunned.values()], ['PEER_SLOW', 'PEER_SLOW', 'PEER_SLOW'])
  run.controller.abort()
  t.is(await run.outcome, 'INTERRUPTED')
  const again = await fetchFrom(t, file, peersOf(silent, dripping, await link(t, honest(pool))))
  t.is(await again.outcome, 'none')
  t.absent(await again.wrong())
})

const BABBLE: Record<string, (ask: Ask, session: HostileSession) => void> = {
  'more bytes than asked for': ({ requestId }, { send }) => {
    for (let i = 0; i < 5; i++) {
      send.data({ requestId, byteOffset: i * PIECE_PART_BYTES_MAX, bytes: Buffer.alloc(PIECE_PART_BYTES_MAX) })
    }
  },
  'bytes out of order': ({ requestId }, { send }) => send.data({ requestId, byteOffset: 7, bytes: Buffer.alloc(1) }),
  'no bytes': ({ requestId }, { send }) => send.data({ requestId, byteOffset: 0, bytes: Buffer.alloc(0) }),
  'another request': ({ requestId }, { send }) =>
    send.data({ requestId: requestId + 9, byteOffset: 0, bytes: Buffer.alloc(1) }),
  'a layer for a piece': ({ requestId }, { send }) => send.layer({ requestId, bytes: Buffer.alloc(32) }),
  'a refusal of nothing': ({ requestId }, { send }) => send.refuse({ requestId: requestId + 9, reason: 'absent' }),
}

for (const [what, babble] of Object.entries(BABBLE)) {
  test(`transfer: a peer answers with ${what} → MESSAGE_MALFORMED closes it, another completes`, async (t) => {
    const file = fixture(59_000, 6)
    const bad = await link(t, hostile(babble))
    const peers = peersOf(bad)
    const run = await fetchFrom(t, file, peers)
    await closed(bad.near)
    t.is(bad.refusals[0]?.code, 'MESSAGE_MALFORMED')
    peers.remove(bad.channel)
    peers.add((await link(t, honest(await poolWith(t, file)))).channel)
    t.is(await run.outcome, 'none')
    t.absent(await run.wrong())
  })
}

test('transfer: a frame that cannot be decoded → MESSAGE_MALFORMED closes the connection', async (t) => {
  const bad = await link(t, (mux) => {
    const channel = mux.createChannel({ protocol: 'freshet/pieces/1', messages: [{}, {}, {}] })
    channel?.open()
    channel?.messages[2]?.send(Buffer.from([1, 2, 253, 255, 255]))
  })
  await closed(bad.near)
  t.is(bad.refusals[0]?.code, 'MESSAGE_MALFORMED')
})

test('transfer: no peer has it → ARTIFACT_UNAVAILABLE after the wait', async (t) => {
  const absent = await link(t, honest(NOTHING))
  const run = await fetchFrom(t, fixture(1_000_001, 7), peersOf(absent), { peersMs: 300 })
  t.is(await run.outcome, 'ARTIFACT_UNAVAILABLE')
  t.is(run.shunned.get(absent.channel.remoteKey), 'ARTIFACT_UNAVAILABLE')
})

test('transfer: the only peer leaves in the middle, another joins later → completes with what was there', async (t) => {
  const file = fixture(20 * PIECE_BYTES, 8)
  const pool = await poolWith(t, file)
  const first = counted(pool)
  const leaving = await link(t, honest(first))
  first.read = async (digest, byteOffset, byteLength) => {
    if (++first.reads === 8) leaving.near.destroy()
    return pool.read(digest, byteOffset, byteLength)
  }
  const peers = peersOf(leaving)
  const run = await fetchFrom(t, file, peers)
  await closed(leaving.near)
  peers.remove(leaving.channel)
  const second = counted(pool)
  peers.add((await link(t, honest(second))).channel)
  t.is(await run.outcome, 'none')
  t.absent(await run.wrong())
  t.ok(second.reads < 20, `${second.reads} of 20 pieces came from the second`)
})

test('transfer: a signal aborts → INTERRUPTED, and the channel serves the next one', async (t) => {
  const file = fixture(40 * PIECE_BYTES, 9)
  const pool = await poolWith(t, file)
  const source = counted(pool)
  const peer = await link(t, honest(source))
  const run = await fetchFrom(t, file, peersOf(peer))
  await until(() => source.reads > 3)
  run.controller.abort()
  t.is(await run.outcome, 'INTERRUPTED')
  const again = await fetchFrom(t, file, peersOf(peer))
  t.is(await again.outcome, 'none')
  t.alike(peer.refusals, [])
})

test('transfer: 30 files at once over one connection → all complete, nobody is called slow', async (t) => {
  const files = Array.from({ length: 30 }, (_, i) => fixture(100_000 + i * 30_000, 100 + i))
  const peer = await link(t, honest(await poolWith(t, ...files)), 5000)
  const pool = await poolWith(t)
  const runs = await Promise.all(files.map((file) => fetchFrom(t, file, peersOf(peer), { pool })))
  for (const run of runs) {
    t.is(await run.outcome, 'none')
    t.is(run.shunned.size, 0)
  }
})

test('transfer: a long file → the piece bytes that wait in the connection stay few', async (t) => {
  const file = fixture(100 * PIECE_BYTES, 10)
  const pool = await poolWith(t, file)
  let highest = 0
  const peer = await link(
    t,
    honest({
      ...counted(pool),
      read(digest, byteOffset, byteLength) {
        highest = Math.max(highest, peer.far.queuedBytes)
        return pool.read(digest, byteOffset, byteLength)
      },
    }),
  )
  const run = await fetchFrom(t, file, peersOf(peer))
  t.is(await run.outcome, 'none')
  t.ok(highest <= PIECE_QUEUE_BYTES_MAX + 4096, `${highest} bytes`)
})

test('pieces: a peer asks far more than it may and does not read → refused as busy, memory stays bounded', async (t) => {
  const file = fixture(4 * PIECE_BYTES, 11)
  const pool = await poolWith(t, file)
  const [asker, near] = await tcpPair()
  const mux = guardConnection(near, { notReadingMs: 500 })
  honest(pool)(mux)
  const far = guardConnection(asker, { notReadingMs: 60_000 })
  const ignore = (): void => undefined
  const session = piecesProtocol.open(far, {
    on: { ask: ignore, askLayer: ignore, data: ignore, layer: ignore, refuse: ignore, cancel: ignore },
  })
  await session?.opened()
  asker.rawStream.pause()
  const digest = Buffer.from(file.artifact.digest, 'hex')
  let highest = 0
  for (let requestId = 1; requestId <= 200_000 && !near.destroyed; requestId++) {
    session?.send.ask({ requestId, digest, piece: 0 })
    if (requestId % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    highest = Math.max(highest, mux.queuedBytes)
  }
  await closed(near)
  t.ok(highest < 16 * 1024 * 1024, `${highest} bytes queued at most`)
  asker.destroy()
})
