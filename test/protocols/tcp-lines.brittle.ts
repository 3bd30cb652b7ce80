/** TCP lines between nodes of a real DHT on loopback: who carries pieces, that both ends agree, and what an open port has to bear. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import test from 'brittle'
import { pieceCount } from '../../schemas/artifact.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import { LINE_HANDSHAKES_MAX, LINE_TURNS_BURST, LINES_IDLE_PER_PEER_MAX } from '../../schemas/limits.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { linesProtocol } from '../../protocols/line-frames.ts'
import { openSwarm, type Connection } from '../../protocols/swarm.ts'
import { dialStream } from '../../protocols/tcp-line.ts'
import { transfer } from '../../protocols/transfer.ts'
import type { Pool } from '../../store/pool.ts'
import { closed, until } from '../helpers/connections.ts'
import {
  dhtOnLoopback,
  lineEnd,
  sortedKeyPairs,
  type HostPort,
  type LineEnd,
  type LineEndOptions,
} from '../helpers/line-ends.ts'
import { fixture, openPool, temporaryFolder, type Fixture } from '../helpers/pool-fixtures.ts'

const TOPIC = Buffer.alloc(32, 9)
const MINUTE = { timeout: 60_000 }
/** So long that what waits for it never happens in a test. */
const NEVER_MS = 3_600_000

async function join2(...ends: readonly { readonly swarm: { join(topic: Buffer): Promise<void> } }[]): Promise<void> {
  await Promise.all(ends.map(({ swarm }) => swarm.join(TOPIC)))
}

/** The decider first. */
async function pair(t: Assert, decider: LineEndOptions, follower: LineEndOptions): Promise<[LineEnd, LineEnd]> {
  const bootstrap = await dhtOnLoopback(t)
  const [small, large] = sortedKeyPairs()
  const ends: [LineEnd, LineEnd] = [
    await lineEnd(t, bootstrap, { keyPair: small, ...decider }),
    await lineEnd(t, bootstrap, { keyPair: large, ...follower }),
  ]
  await join2(...ends)
  return ends
}

/** Resolves when the newest connection of each end has something that carries its pieces, and that is of this kind. */
async function carriedBy(tcp: boolean, ...ends: readonly LineEnd[]): Promise<void> {
  await until(() => ends.every(({ carriers, peers }) => carriers.at(-1)?.tcp === tcp && peers.size > 0))
}

/** The two ends of one Noise stream have one hash of their handshake. */
function isSameStream(a: LineEnd, b: LineEnd): boolean {
  const [hash, other] = [a, b].map(({ carriers }) => carriers.at(-1)?.stream.handshakeHash)
  return hash !== null && hash !== undefined && other !== null && other !== undefined && hash.equals(other)
}

async function poolWith(t: Assert, ...files: readonly Fixture[]): Promise<Pool> {
  const pool = await openPool(t, join(await temporaryFolder(t), 'pool'))
  for (const { artifact, layer, piece } of files) {
    const partial = await pool.begin(artifact)
    await partial.acceptLayer(layer)
    for (let index = 0; index < pieceCount(artifact.byteLength); index++) await partial.write(index, piece(index))
    if (!(await partial.complete())) throw new Error('the fixture is wrong')
    await partial.close()
  }
  return pool
}

/** Fetches `file` from the peers of `end`. @param onPiece after each piece, with how many there were. */
async function fetched(t: Assert, end: LineEnd, file: Fixture, onPiece: (count: number) => void): Promise<void> {
  const pool = await poolWith(t)
  const sink = await pool.begin(file.artifact)
  t.teardown(() => sink.close(), { order: -2 })
  let count = 0
  await transfer(sink, end.peers, {
    signal: new AbortController().signal,
    onShun: (peer, error) => t.fail(`${peer.slice(0, 8)}: ${error.code}`),
    onPiece: () => onPiece(++count),
  })
  const bytes = await readFile(pool.pathOf(file.artifact.digest) ?? '')
  t.ok(bytes.equals(file.bytes), 'every byte')
}

test('lines: both listen → one line, the same for both; pieces go over it and not over the connection', MINUTE, async (t) => {
  const file = fixture(3_000_000, 1)
  const [decider, follower] = await pair(t, { source: await poolWith(t, file) }, {})
  await carriedBy(true, decider, follower)
  t.ok(isSameStream(decider, follower))
  t.alike([decider.lines.tcpCount, follower.lines.tcpCount], [1, 1])
  await fetched(t, follower, file, () => {})
  t.ok((follower.carriers.at(-1)?.stream.rawBytesRead ?? 0) > file.bytes.byteLength)
  t.ok((follower.connections.at(-1)?.stream.rawBytesRead ?? 0) < 10_000)
  t.alike([decider.carriers.length, follower.carriers.length], [1, 1], 'decided once')
})

test('lines: one end does not listen → the other one is dialled, whichever it is', MINUTE, async (t) => {
  for (const [deciders, followers] of [
    [null, 0],
    [0, null],
  ] as const) {
    const times = { turnMs: NEVER_MS, decideMs: NEVER_MS }
    const [decider, follower] = await pair(t, { port: deciders, times }, { port: followers, times })
    await carriedBy(true, decider, follower)
    t.ok(isSameStream(decider, follower))
    t.alike([decider.lines.port === 0, follower.lines.port === 0], [deciders === null, followers === null])
  }
})

test('lines: neither end listens → the connection carries pieces, without a wait', MINUTE, async (t) => {
  const file = fixture(600_000, 2)
  const never = { turnMs: NEVER_MS, decideMs: NEVER_MS, retryMs: NEVER_MS }
  const [decider, follower] = await pair(
    t,
    { port: null, times: never },
    { port: null, times: never, source: await poolWith(t, file) },
  )
  await carriedBy(false, decider, follower)
  t.ok(isSameStream(decider, follower))
  await fetched(t, decider, file, () => {})
})

test('lines: a port that is taken → said once, and this end dials', MINUTE, async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const [decider, follower] = await pair(t, { port }, {})
  await carriedBy(true, decider, follower)
  t.alike(
    decider.troubles.map(({ code }) => code),
    ['ADDRESS_IN_USE'],
  )
})

test('lines: both dial at once, with many peers → one line for each pair, the same for both', MINUTE, async (t) => {
  const bootstrap = await dhtOnLoopback(t)
  const ends: LineEnd[] = []
  for (let i = 0; i < 5; i++) ends.push(await lineEnd(t, bootstrap, { times: { turnMs: 0 } }))
  await join2(...ends)
  await until(() => ends.every(({ lines }) => lines.tcpCount === ends.length - 1))
  await until(() => ends.every(({ lines }) => lines.pending === 0))
  const carrying = ends.flatMap(({ carriers }) => carriers.filter(({ stream, tcp }) => tcp && !stream.destroying))
  const hashes = carrying.map(({ stream }) => stream.handshakeHash?.toString('hex'))
  t.alike([hashes.length, new Set(hashes).size], [20, 10], 'each of ten lines at two ends')
})

test('lines: decided before a line stands → it is taken up when it does, by both', MINUTE, async (t) => {
  const file = fixture(3_000_000, 3)
  const [decider, follower] = await pair(t, { times: { decideMs: 0 }, source: await poolWith(t, file) }, {})
  await carriedBy(true, decider, follower)
  t.ok(isSameStream(decider, follower))
  await fetched(t, follower, file, () => {})
})

test('lines: a line is killed in the middle of a transfer → the rest comes over the connection', MINUTE, async (t) => {
  for (const [killer, fetcher] of [
    [0, 1],
    [1, 0],
    [0, 0],
    [1, 1],
  ] as const) {
    const file = fixture(4_000_000, 4)
    const options = { times: { retryMs: NEVER_MS }, source: await poolWith(t, file) }
    const ends = await pair(t, options, options)
    await carriedBy(true, ...ends)
    await fetched(t, ends[fetcher], file, (count) => {
      if (count === 3) ends[killer].carriers.at(-1)?.stream.destroy()
    })
    t.alike(
      ends.map(({ carriers }) => carriers.map(({ tcp }) => tcp)),
      [
        [true, false],
        [true, false],
      ],
    )
  }
})

test('lines: a line is killed again and again → a new one each time, and both agree', MINUTE, async (t) => {
  const options = { times: { retryMs: 20 } }
  const ends = await pair(t, options, options)
  for (let round = 0; round < 3; round++) {
    await carriedBy(true, ...ends)
    await until(() => isSameStream(...ends))
    const killed = ends[round % 2]?.carriers.at(-1)?.stream
    killed?.destroy()
    await until(() => ends.every(({ carriers }) => carriers.at(-1)?.stream !== killed && carriers.at(-1)?.tcp === true))
  }
  await until(() => isSameStream(...ends))
  t.alike(
    ends.flatMap(({ refusals }) => refusals.map(({ code }) => code)),
    [],
  )
})

test('lines: the connection closes → the line does, too', MINUTE, async (t) => {
  const [decider, follower] = await pair(t, {}, {})
  await carriedBy(true, decider, follower)
  const streams = [decider, follower].map(({ carriers }) => carriers.at(-1)?.stream as NoiseSecretStream)
  await follower.swarm.destroy()
  await Promise.all(streams.map(closed))
  t.alike([decider.lines.tcpCount, follower.lines.tcpCount], [0, 0])
})

// What the port has to bear

/** A node with one peer, so that its port takes sockets of 127.0.0.1. @returns the follower of that pair, too. */
async function victim(t: Assert, options: LineEndOptions = {}): Promise<LineEnd> {
  const times = { turnMs: NEVER_MS, ...options.times }
  const [end, other] = await pair(t, { ...options, times }, { port: null, times })
  await carriedBy(true, end, other)
  return end
}

function dialled(t: Assert, port: number, localAddress = '127.0.0.1'): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return socket
}

/** With or without an error. */
function hungUp(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on('close', () => resolve()))
}

/** Counts what comes, which also makes it come. */
function counting(socket: Socket): { bytes: number } {
  const count = { bytes: 0 }
  socket.on('data', (chunk) => (count.bytes += chunk.byteLength))
  return count
}

test('lines: a key that is not connected → closed after its handshake; the wrong key of the listener → nothing is answered', MINUTE, async (t) => {
  const end = await victim(t)
  const before = end.carriers.length
  const stranger = dialStream('127.0.0.1', end.lines.port, NoiseSecretStream.keyPair(), end.keyPair.publicKey)
  const mux = guardConnection(stream(t, stranger))
  const session = linesProtocol.open(mux, { on: IGNORE })
  t.is(await session?.opened(), false)
  await closed(stranger)

  const lost = dialStream('127.0.0.1', end.lines.port, end.keyPair, NoiseSecretStream.keyPair().publicKey)
  guardConnection(stream(t, lost))
  await closed(lost)
  t.is(lost.rawBytesRead, 0)
  t.alike([end.carriers.length, end.lines.tcpCount, end.refusals.length], [before, 1, 0])
})

test('lines: an address that no peer is connected from → closed before anything is read', MINUTE, async (t) => {
  const end = await victim(t)
  const socket = dialled(t, end.lines.port, '127.0.0.2')
  const count = counting(socket)
  await hungUp(socket)
  t.alike([count.bytes, end.lines.pending], [0, 0])
})

test('lines: no peer at all → nobody is let in', MINUTE, async (t) => {
  const end = await lineEnd(t, await dhtOnLoopback(t))
  await hungUp(dialled(t, end.lines.port).resume())
  t.pass()
})

test('lines: 200 sockets that say nothing → bounded, and closed in time; then a peer comes in again', MINUTE, async (t) => {
  const end = await victim(t, { times: { handshakeMs: 300, retryMs: 20 } })
  const sockets = Array.from({ length: 200 }, () => dialled(t, end.lines.port).resume())
  let most = 0
  let open = sockets.length
  for (const socket of sockets) socket.on('close', () => open--)
  await until(() => {
    most = Math.max(most, end.lines.pending)
    return open === 0
  })
  t.is(most, LINE_HANDSHAKES_MAX)
  t.alike([end.lines.pending, end.lines.tcpCount], [0, 1])
  const before = end.carriers.at(-1)
  before?.stream.destroy()
  await until(() => end.lines.tcpCount === 1 && end.carriers.at(-1) !== before)
})

test('lines: more bytes than a handshake has, or garbage, or a length of 16 MiB → closed', MINUTE, async (t) => {
  const end = await victim(t, { times: { handshakeMs: NEVER_MS } })
  for (const bytes of [
    Buffer.concat([Buffer.from([255, 255, 255]), randomBytes(100_000)]),
    Buffer.concat([Buffer.from([96, 0, 0]), randomBytes(96)]),
    Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(100)),
  ]) {
    const socket = dialled(t, end.lines.port)
    const count = counting(socket)
    socket.write(bytes)
    await hungUp(socket)
    t.is(count.bytes, 0)
  }
  t.is(end.lines.pending, 0)
})

// A connected peer that breaks rules

const IGNORE = {
  listening: () => undefined,
  unreached: () => undefined,
  use: () => undefined,
  lost: () => undefined,
}

function stream(t: Assert, of: NoiseSecretStream): NoiseSecretStream {
  of.on('error', () => undefined)
  t.teardown(() => of.destroy())
  return of
}

type LinesSession = NonNullable<ReturnType<typeof linesProtocol.open>>

/** A peer that speaks the frames by hand. */
interface Hostile {
  readonly keyPair: KeyPair
  readonly connection: Connection
  readonly control: LinesSession
  readonly said: string[]
  /** The port of the victim. */
  readonly port: number
}

async function hostile(t: Assert, bootstrap: HostPort, keyPair: KeyPair): Promise<{ meet(): Promise<Hostile> }> {
  const said: string[] = []
  let port = 0
  let met: { connection: Connection; control: LinesSession } | null = null
  const swarm = openSwarm({
    keyPair,
    bootstrap: [bootstrap],
    onConnection(connection) {
      const control = linesProtocol.open(connection.mux, {
        on: {
          listening: (frame) => void ([port] = [frame.port]),
          unreached: () => void said.push('unreached'),
          use: ({ turn }) => void said.push(`use ${turn}`),
          lost: ({ turn }) => void said.push(`lost ${turn}`),
        },
      })
      if (control !== null) met = { connection, control }
    },
  })
  t.teardown(() => swarm.destroy())
  return {
    async meet() {
      await swarm.join(TOPIC)
      await until(() => met !== null && port !== 0)
      return { keyPair, ...(met as unknown as { connection: Connection; control: LinesSession }), said, port }
    },
  }
}

/** The victim decides unless told otherwise. */
async function meet(t: Assert, options: LineEndOptions = {}, decides = true): Promise<[LineEnd, Hostile]> {
  const bootstrap = await dhtOnLoopback(t)
  const [small, large] = sortedKeyPairs()
  const times = { turnMs: NEVER_MS, decideMs: NEVER_MS, retryMs: NEVER_MS, ...options.times }
  const end = await lineEnd(t, bootstrap, { ...options, keyPair: decides ? small : large, times })
  const peer = await hostile(t, bootstrap, decides ? large : small)
  const [, met] = await Promise.all([end.swarm.join(TOPIC), peer.meet()])
  return [end, met]
}

/** A line that the hostile peer dialled. */
function dialLine(t: Assert, end: LineEnd, { keyPair }: Hostile): { mux: GuardedMux; session: LinesSession; used: number[] } {
  const used: number[] = []
  const mux = guardConnection(stream(t, dialStream('127.0.0.1', end.lines.port, keyPair, end.keyPair.publicKey)))
  const session = linesProtocol.open(mux, { on: { ...IGNORE, use: ({ turn }) => void used.push(turn) } })
  if (session === null) throw new Error('no channel')
  return { mux, session, used }
}

async function refusedFor(t: Assert, end: LineEnd): Promise<FreshetError> {
  await until(() => end.refusals.length > 0)
  await until(() => [...end.swarm.connections].length === 0)
  t.is(end.lines.tcpCount, 0)
  return end.refusals[0] as FreshetError
}

test('lines: frames that break the rules → MESSAGE_MALFORMED, and the peer is dropped', MINUTE, async (t) => {
  const cases: readonly (readonly [string, boolean, (peer: Hostile) => void])[] = [
    ['a port twice', true, ({ control }) => [1, 2].forEach((port) => control.send.listening({ port }))],
    ['no port', true, ({ control }) => control.send.listening({ port: 65_536 })],
    ['a decision of the larger key', true, ({ control }) => control.send.use({ turn: 1 })],
    ['a loss told to the larger key', false, ({ control }) => control.send.lost({ turn: 1 })],
    ['more decisions than lines can come and go', false, ({ control }) => control.send.use({ turn: LINE_TURNS_BURST + 2 })],
  ]
  for (const [what, decides, breakRule] of cases) {
    const [end, peer] = await meet(t, {}, decides)
    breakRule(peer)
    t.is((await refusedFor(t, end)).code, 'MESSAGE_MALFORMED', what)
  }
})

test('lines: a rule is broken on a line → the peer is dropped as if it had been on the connection', MINUTE, async (t) => {
  for (const breakRule of [
    ({ session }: ReturnType<typeof dialLine>) => void session.send.listening({ port: 1 }),
    ({ mux }: ReturnType<typeof dialLine>) => void mux.stream.write(Buffer.alloc(2_000_000)),
  ]) {
    const [end, peer] = await meet(t)
    const line = dialLine(t, end, peer)
    await until(() => line.used.length > 0)
    breakRule(line)
    t.ok(['MESSAGE_MALFORMED', 'FRAME_REFUSED'].includes((await refusedFor(t, end)).code))
  }
})

test('lines: many lines of one peer → one is used, few wait, the others are closed', MINUTE, async (t) => {
  const [end, peer] = await meet(t, {}, false)
  const lines = Array.from({ length: 20 }, () => dialLine(t, end, peer))
  const opened = await Promise.all(lines.map(({ session }) => session.opened()))
  t.is(opened.filter(Boolean).length, LINES_IDLE_PER_PEER_MAX)
  const kept = lines.filter((_, index) => opened[index])
  kept[0]?.session.send.use({ turn: 1 })
  await until(() => end.lines.tcpCount === 1)
  if (kept[1] !== undefined) await closed(kept[1].mux.stream)
  t.is(end.carriers.length, 1)
})

test('lines: the follower loses a line → the decider uses the connection; word of an older line changes nothing', MINUTE, async (t) => {
  const [end, peer] = await meet(t)
  const line = dialLine(t, end, peer)
  await until(() => line.used.length > 0)
  t.alike(line.used, [1])
  peer.control.send.lost({ turn: 7 })
  peer.control.send.lost({ turn: 0 })
  peer.control.send.lost({ turn: 1 })
  await until(() => peer.said.includes('use 2'))
  await closed(line.mux.stream)
  peer.control.send.lost({ turn: 1 })
  const next = dialLine(t, end, peer)
  await until(() => next.used.length > 0)
  t.alike([next.used, end.carriers.map(({ tcp }) => tcp)], [[3], [true, false, true]])
})

test('lines: a decision that was overtaken by a later one → passed over', MINUTE, async (t) => {
  const [end, peer] = await meet(t, {}, false)
  const line = dialLine(t, end, peer)
  t.ok(await line.session.opened())
  line.session.send.use({ turn: 2 })
  await until(() => end.lines.tcpCount === 1)
  peer.control.send.use({ turn: 1 })
  peer.control.send.unreached({}) // it has a line, so this is not answered
  peer.control.send.use({ turn: 3 })
  await until(() => end.carriers.length === 2)
  await closed(line.mux.stream)
  t.alike([end.carriers.map(({ tcp }) => tcp), peer.said], [[true, false], []])
})

test('lines: asked to dial again and again → one socket, then the answer that it came to nothing', MINUTE, async (t) => {
  const [end, peer] = await meet(t, {}, false)
  let sockets = 0
  const listener = createServer((socket) => (sockets++, socket.destroy())).listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  peer.control.send.listening({ port: (listener.address() as AddressInfo).port })
  peer.control.send.unreached({})
  await until(() => peer.said.length === 1)
  for (let i = 0; i < 50; i++) peer.control.send.unreached({})
  await until(() => peer.said.length === 51)
  t.alike([sockets, new Set(peer.said)], [1, new Set(['unreached'])])
  t.is(end.carriers.length, 0, 'the smaller key has not decided')
})

test('lines: a peer that does not speak the protocol → the connection carries everything', MINUTE, async (t) => {
  const bootstrap = await dhtOnLoopback(t)
  const end = await lineEnd(t, bootstrap, { times: { decideMs: NEVER_MS } })
  const other = openSwarm({ bootstrap: [bootstrap], onConnection: () => undefined })
  t.teardown(() => other.destroy())
  await join2(end, { swarm: other })
  await until(() => end.carriers.length > 0)
  t.alike(end.carriers.map(({ tcp }) => tcp)[0], false)
})
