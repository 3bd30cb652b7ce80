/** What an open TCP port has to bear, from strangers and from connected peers that break the rules of lines. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import test from 'brittle'
import type { FreshetError } from '../../schemas/errors.ts'
import { LINE_DIALS_MAX, LINE_HANDSHAKES_MAX, LINE_TURNS_BURST, LINES_IDLE_PER_PEER_MAX } from '../../schemas/limits.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { linesProtocol } from '../../protocols/line-frames.ts'
import { openSwarm, type Connection } from '../../protocols/swarm.ts'
import { dialStream } from '../../protocols/tcp-line.ts'
import { closed, until } from '../helpers/connections.ts'
import {
  carriedBy,
  dhtOnLoopback,
  lineEnd,
  NEVER_MS,
  pair,
  sortedKeyPairs,
  TOPIC,
  type HostPort,
  type LineEnd,
  type LineEndOptions,
} from '../helpers/line-ends.ts'

const MINUTE = { timeout: 60_000 }

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

test(
  'lines: a key that is not connected → closed after its handshake; the wrong key of the listener → nothing is answered',
  MINUTE,
  async (t) => {
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
  },
)

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

test(
  'lines: 200 sockets that say nothing → bounded, and closed in time; then a peer comes in again',
  MINUTE,
  async (t) => {
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
    await until(() => end.lines.pending === 0)
    t.is(end.lines.tcpCount, 1, 'the line that stood stands')
    const before = end.carriers.at(-1)
    before?.stream.destroy()
    await until(() => end.lines.tcpCount === 1 && end.carriers.at(-1) !== before)
  },
)

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
  await until(() => end.lines.pending === 0)
})

test(
  'lines: the first message of a connected peer, repeated by somebody else → nothing comes of it',
  MINUTE,
  async (t) => {
    const [end, peer] = await meet(t, { times: { handshakeMs: 300 } }, false)
    let heard = Buffer.alloc(0)
    const relay = createServer((socket) => {
      socket.on('data', (bytes) => (heard = Buffer.concat([heard, bytes])))
    }).listen(0, '127.0.0.1')
    t.teardown(() => relay.close())
    await once(relay, 'listening')
    const { port } = relay.address() as AddressInfo
    const honest = stream(t, dialStream('127.0.0.1', port, peer.keyPair, end.keyPair.publicKey))
    await until(() => heard.byteLength > 0)
    honest.destroy()
    const socket = dialled(t, end.lines.port)
    const count = counting(socket)
    socket.write(heard)
    await hungUp(socket)
    t.ok(count.bytes > 0, 'it was a first message')
    await until(() => end.lines.pending === 0)
    t.alike([end.carriers.length, end.refusals.length], [0, 0])
  },
)

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
function dialLine(
  t: Assert,
  end: LineEnd,
  { keyPair }: Hostile,
): { mux: GuardedMux; session: LinesSession; used: number[] } {
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
    [
      'more decisions than lines can come and go',
      false,
      ({ control }) => control.send.use({ turn: LINE_TURNS_BURST + 2 }),
    ],
  ]
  for (const [what, decides, breakRule] of cases) {
    const [end, peer] = await meet(t, {}, decides)
    breakRule(peer)
    t.is((await refusedFor(t, end)).code, 'MESSAGE_MALFORMED', what)
  }
})

test(
  'lines: a rule is broken on a line → the peer is dropped as if it had been on the connection',
  MINUTE,
  async (t) => {
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
  },
)

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

test(
  'lines: the follower loses a line → the decider uses the connection; word of an older line changes nothing',
  MINUTE,
  async (t) => {
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
  },
)

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

/** @returns how many sockets it made of a peer's asking it to dial 50 times. */
async function askToDial(t: Assert, retryMs: number): Promise<number> {
  const [end, peer] = await meet(t, { times: { retryMs } }, false)
  let sockets = 0
  const listener = createServer((socket) => (sockets++, socket.destroy())).listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  peer.control.send.listening({ port: (listener.address() as AddressInfo).port })
  for (let asked = 1; asked <= 50; asked++) {
    peer.control.send.unreached({})
    await until(() => peer.said.length === asked)
  }
  t.alike([end.carriers.length, new Set(peer.said)], [0, new Set(['unreached'])], 'the smaller key has not decided')
  return sockets
}

test(
  'lines: asked to dial again and again → few sockets, and each time told that it came to nothing',
  MINUTE,
  async (t) => {
    t.is(await askToDial(t, NEVER_MS), 1, 'too soon')
    t.is(await askToDial(t, 0), LINE_DIALS_MAX, 'too often')
  },
)
