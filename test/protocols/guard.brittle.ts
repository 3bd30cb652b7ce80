/** The guard against a hostile peer that speaks raw frames over a real socket. A rule that fails here kills the process. */
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import test from 'brittle'
import c from 'compact-encoding'
import Protomux from 'protomux'
import type { FreshetError } from '../../schemas/errors.ts'
import {
  CHANNELS_PER_PEER_MAX,
  FRAME_BYTES_MAX,
  OPENS_BURST_MAX,
  WRITE_QUEUE_BYTES_HARD_MAX,
} from '../../schemas/limits.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { closed, memoryPair, tcpPair, until } from '../helpers/connections.ts'

const MIB = 1024 * 1024

interface Victim {
  readonly hostile: NoiseSecretStream
  readonly mux: GuardedMux
  readonly refusals: FreshetError[]
}

async function victim(t: Assert, options: { notReadingMs?: number; pair?: typeof tcpPair } = {}): Promise<Victim> {
  const [hostile, stream] = await (options.pair ?? tcpPair)()
  hostile.resume()
  t.teardown(() => (hostile.destroy(), stream.destroy()))
  const refusals: FreshetError[] = []
  const onRefused = (error: FreshetError): number => refusals.push(error)
  const { notReadingMs } = options
  const mux = guardConnection(stream, { onRefused, ...(notReadingMs === undefined ? {} : { notReadingMs }) })
  return { hostile, mux, refusals }
}

function nestedBatch(depth: number): Buffer {
  // A batch is: channel 0, type 0, then the channel of its first message, and that message behind its length.
  let frame = Buffer.from([0, 0, 0])
  for (let i = 0; i < depth; i++) {
    const inner = frame.subarray(1)
    const state = { start: 0, end: 0, buffer: null as Buffer | null }
    c.uint.preencode(state, inner.byteLength)
    state.buffer = Buffer.alloc(state.end)
    c.uint.encode(state, inner.byteLength)
    frame = Buffer.concat([Buffer.from([0, 0, 0]), state.buffer, inner])
  }
  return frame
}

function openMessage(id: number, protocol: string, handshake = Buffer.alloc(0)): Buffer {
  const state = { start: 0, end: 2, buffer: null as Buffer | null }
  c.uint.preencode(state, id)
  c.string.preencode(state, protocol)
  c.optionalBuffer.preencode(state, null)
  state.buffer = Buffer.alloc(state.end)
  state.start = 2
  state.buffer[1] = 1
  c.uint.encode(state, id)
  c.string.encode(state, protocol)
  c.optionalBuffer.encode(state, null)
  return Buffer.concat([state.buffer, handshake])
}

test('guard: a nested batch → FRAME_REFUSED, the process lives', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  hostile.write(nestedBatch(5000))
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'FRAME_REFUSED')
})

test('guard: a frame above the bound → FRAME_REFUSED', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  hostile.write(Buffer.alloc(FRAME_BYTES_MAX + 1, 1))
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'FRAME_REFUSED')
})

const ERRORS: Record<string, () => Error> = {
  Error: () => new Error('plain'),
  RangeError: () => new RangeError('out of range'),
  TypeError: () => new TypeError('undefined.x'),
  SyntaxError: () => new SyntaxError('bad JSON'),
  ReferenceError: () => new ReferenceError('x is not defined'),
  URIError: () => new URIError('bad escape'),
  EvalError: () => new EvalError('eval'),
  AssertionError: () => Object.assign(new Error('assert'), { name: 'AssertionError', code: 'ERR_ASSERTION' }),
}
const PLACES = [
  'decode',
  'onmessage',
  'onmessage async',
  'onopen',
  'onopen async',
  'ondrain',
  'onclose',
  'ondestroy',
] as const

for (const place of PLACES) {
  test(`guard: every kind of error from ${place} → the connection closes, the process lives`, async (t) => {
    for (const [name, make] of Object.entries(ERRORS)) {
      const [far, near] = await memoryPair()
      const refusals: FreshetError[] = []
      const mux = guardConnection(near, { onRefused: (error) => refusals.push(error) })
      guarded(mux, place, make)
      const other = Protomux.from(far)
      const channel = other.createChannel({ protocol: 'test', messages: [{ encoding: c.uint as never }] })
      channel?.open()
      channel?.messages[0]?.send(1)
      if (place === 'ondrain') await until(() => mux.stream.destroyed || !mux.stream.write(Buffer.alloc(65_536)))
      if (place === 'onclose' || place === 'ondestroy') channel?.close()
      await closed(mux.stream)
      const cause = refusals[0]?.cause as Error | undefined
      t.is(cause?.message, make().message, name)
    }
  })
}

function guarded(mux: GuardedMux, place: (typeof PLACES)[number], make: () => Error): void {
  const fail = (): never => {
    throw make()
  }
  const failing = (name: string): { [key: string]: unknown } => {
    if (place === name) return { [name]: fail }
    return place === `${name} async` ? { [name]: async () => fail() } : {}
  }
  const encoding = place === 'decode' ? { ...c.uint, decode: fail } : c.uint
  const channel = mux.createChannel({
    protocol: 'test',
    messages: [{ encoding: encoding as never, ...failing('onmessage') }],
    ...failing('onopen'),
    ...failing('onclose'),
    ...failing('ondestroy'),
    ...failing('ondrain'),
  })
  channel?.open()
}

test('guard: a flood of opens → CHANNEL_QUOTA, memory stays bounded', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  mux.pair({ protocol: 'slow' }, () => new Promise(() => undefined))
  const before = process.memoryUsage().rss
  for (let id = 1; id <= 100_000 && !hostile.destroyed; id++) {
    hostile.write(openMessage(id, 'slow', Buffer.alloc(2048)))
    if (id % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'CHANNEL_QUOTA')
  const grown = process.memoryUsage().rss - before
  t.ok(grown < 64 * MIB, `${Math.round(grown / MIB)} MiB`)
})

test('guard: the same channel is opened and rejected over and over → CHANNEL_QUOTA', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  for (let i = 0; i < 2 * OPENS_BURST_MAX && !mux.stream.destroyed; i++) {
    const { rawBytesRead } = hostile
    hostile.write(openMessage(1, 'unknown'))
    await until(() => hostile.rawBytesRead > rawBytesRead || mux.stream.destroyed)
  }
  t.ok(mux.stream.destroyed)
  t.is(refusals[0]?.code, 'CHANNEL_QUOTA')
})

test('guard: 40 opens at once from an honest peer → all pending, none refused', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  let asked = 0
  for (let id = 1; id <= 40; id++) mux.pair({ protocol: `p${id}` }, () => void asked++)
  for (let id = 1; id <= 40; id++) hostile.write(openMessage(id, `p${id}`))
  await until(() => asked === 40)
  t.alike(refusals, [])
  t.absent(mux.stream.destroyed)
})

test('guard: more channels than allowed → those beyond are rejected, the connection stays', async (t) => {
  const { hostile, mux, refusals } = await victim(t)
  const opened = new Set<string>()
  const far = Protomux.from(hostile)
  const channels = Array.from({ length: CHANNELS_PER_PEER_MAX + 6 }, (_, i) => `p${i}`).map((protocol) => {
    const answer = (): void => {
      mux.createChannel({ protocol, onopen: () => opened.add(protocol) })?.open()
    }
    mux.pair({ protocol }, answer)
    return far.createChannel({ protocol })
  })
  for (const channel of channels) channel?.open()
  const outcomes = await Promise.all(channels.flatMap((channel) => (channel === null ? [] : [channel.fullyOpened()])))
  t.is(outcomes.filter((open) => open).length, CHANNELS_PER_PEER_MAX)
  t.is(opened.size, CHANNELS_PER_PEER_MAX)
  t.alike(refusals, [])
  channels[0]?.close()
  await until(() => [...mux].length === CHANNELS_PER_PEER_MAX - 1)
  const late = far.createChannel({ protocol: `p${CHANNELS_PER_PEER_MAX + 5}` })
  late?.open()
  t.ok(await late?.fullyOpened(), 'and a place that became free can be taken')
})

test('guard: a batch above the frame bound → is sent as several frames and arrives whole', async (t) => {
  const [far, near] = await tcpPair()
  const [a, b] = [guardConnection(far), guardConnection(near)]
  const bytes = Buffer.alloc(400_000, 7)
  let received = 0
  const options = { protocol: 'test', messages: [{ encoding: c.buffer as never, onmessage: () => void received++ }] }
  const [sender, receiver] = [a.createChannel(options), b.createChannel(options)]
  sender?.open()
  receiver?.open()
  a.cork()
  for (let i = 0; i < 10; i++) sender?.messages[0]?.send(bytes)
  a.uncork()
  await until(() => received === 10 || near.destroyed)
  t.is(received, 10)
  t.absent(near.destroyed)
  far.destroy()
})

test('guard: a peer that asks and does not read → PEER_NOT_READING, memory stays bounded', async (t) => {
  const { hostile, mux, refusals } = await victim(t, { notReadingMs: 500 })
  hostile.pause()
  hostile.rawStream.pause()
  const answer = Buffer.alloc(512 * 1024)
  const channel = mux.createChannel({
    protocol: 'test',
    messages: [
      { encoding: c.uint as never, onmessage: () => void channel?.messages[1]?.send(answer) },
      { encoding: c.buffer as never },
    ],
  })
  channel?.open()
  const before = process.memoryUsage().rss
  hostile.write(openMessage(1, 'test'))
  let highest = 0
  for (let i = 0; i < 100_000 && !mux.stream.destroyed; i++) {
    hostile.write(Buffer.from([1, 0, 1]))
    highest = Math.max(highest, mux.queuedBytes)
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await closed(mux.stream)
  t.is(refusals[0]?.code, 'PEER_NOT_READING')
  t.ok(highest <= WRITE_QUEUE_BYTES_HARD_MAX + 2 * answer.byteLength, `${highest} bytes queued`)
  const grown = process.memoryUsage().rss - before
  t.ok(grown < 96 * MIB, `${Math.round(grown / MIB)} MiB in one process with the attacker`)
})
