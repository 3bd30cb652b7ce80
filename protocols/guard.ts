/**
 * The one guard between Protomux and the socket of a stranger.
 *
 * Owns: the size of frames and the nesting of batches; that no throw or rejection of a decoder or handler leaves this
 * connection (safety-catch, which Protomux uses, turns a TypeError or RangeError into an uncaught exception); quotas on
 * channels, opens, held bytes and unfinished handlers; and that a peer which does not read is dropped.
 * Refuses by closing the stream with a FreshetError. Corestore finds the guard in `stream.userData` and uses it, so it must
 * be there before `store.replicate(stream)`.
 * Source: protomux 3.12 index.js; every method overridden here is one whose base can throw outside a try or has no bound.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import c from 'compact-encoding'
import Protomux from 'protomux'
import type { Channel, ChannelOptions, MessageOptions, RemoteChannel, WireState } from 'protomux'
import { FreshetError } from '../schemas/errors.ts'
import * as limits from '../schemas/limits.ts'
import { REPLICATION_PROTOCOL, ReplicationGuard } from './replication-guard.ts'
import { progressMark, queuedBytes } from './write-queue.ts'

export interface GuardOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
  /** Called once, before the stream is closed, when the peer broke a rule. */
  readonly onRefused?: (error: FreshetError) => void
  /** Instead of PEER_NOT_READING_MS. */
  readonly notReadingMs?: number
  /** Logs that are not replicated, by discovery key in hex. Corestore gives any log to a peer that knows its key. */
  readonly refusesLog?: (discoveryKey: string) => boolean
}

/** Protomux pauses above this by itself (MAX_BUFFERED). */
const PENDING_BYTES_PAUSE = 32 * 1024
/** Room for the header of a batch and the length of a message. */
const BATCH_HEADER_BYTES = 16
const CONTROL_CHANNEL = 0
const REJECT_TYPE = 2
/** Remote ids are dense: a peer reuses one as soon as a channel is closed or refused. */
const REMOTE_IDS_MAX = limits.CHANNELS_PER_PEER_MAX + limits.OPENS_BURST_MAX

export class GuardedMux extends Protomux {
  readonly #now: () => number
  readonly #onRefused: (error: FreshetError) => void
  readonly #notReadingMs: number
  readonly #refusesLog: (discoveryKey: string) => boolean
  readonly #replication = new ReplicationGuard(gateOf(this))
  readonly #waiters = new Set<() => void>()
  #inBatch = false
  #refused = false
  #writeHeld = false
  #handlersPending = 0
  #opensLeft: number = limits.OPENS_BURST_MAX
  #opensCountedAtMs: number
  #progressMark = ''
  #progressAtMs: number

  constructor(stream: NoiseSecretStream, options: GuardOptions = {}) {
    super(stream)
    this.#now = options.now ?? (() => performance.now())
    this.#onRefused = options.onRefused ?? (() => undefined)
    this.#notReadingMs = options.notReadingMs ?? limits.PEER_NOT_READING_MS
    this.#refusesLog = options.refusesLog ?? (() => false)
    this.#opensCountedAtMs = this.#progressAtMs = this.#now()
    const reading = setInterval(() => this.#checkReading(), Math.ceil(this.#notReadingMs / 10))
    reading.unref()
    stream.on('close', () => clearInterval(reading))
  }

  /** Closes the connection for good and says why. */
  refuse(error: FreshetError): void {
    if (!this.#refused && !this._destroying) {
      this.#refused = true
      this.#onRefused(error)
    }
    this._destroying = true
    this.stream.destroy(error)
  }

  /** Unsent bytes, those of an open batch included. */
  get queuedBytes(): number {
    return queuedBytes(this.stream) + (this._batchState?.end ?? 0)
  }

  /** Resolves true when no more than `byteLengthMax` bytes wait to be sent and no batch is open; false once closed. */
  async room(byteLengthMax: number): Promise<boolean> {
    while (!this._destroying && !this.stream.destroying) {
      if (this.corked === 0 && this.queuedBytes <= byteLengthMax) return true
      await new Promise<void>((resolve) => this.#waiters.add(resolve))
    }
    return false
  }

  /** Ends the replication of a log on this connection. */
  closeLog(discoveryKey: Buffer): void {
    const channels = [...this].filter(({ protocol }) => protocol === REPLICATION_PROTOCOL)
    for (const channel of channels) if (channel.id !== null && discoveryKey.equals(channel.id)) channel.close()
  }

  override createChannel(options: ChannelOptions): Channel | null {
    if (this.#isRefused(options.protocol, hexOf(options.id ?? null))) return null
    const bounded = options.protocol === REPLICATION_PROTOCOL ? this.#replication.bound(options) : options
    return super.createChannel({
      ...bounded,
      messages: (bounded.messages ?? []).map((message) => message && this.#containMessage(message)),
      ...this.#containHooks(bounded),
    })
  }

  override uncork(): void {
    super.uncork()
    if (this.corked === 0) this.#wake()
  }

  protected override _ondata(frame: Buffer): void {
    if (this._destroying) return
    try {
      if (frame.byteLength > limits.FRAME_BYTES_MAX) this.#admitLarge(frame)
      super._ondata(frame)
    } catch (error) {
      this._safeDestroy(error) // the base does this for all but the line above
    }
    this.#holdWriter()
  }

  /** The base lets batches nest until the stack overflows. */
  protected override _onbatch(state: WireState): void {
    if (this.#inBatch) throw new FreshetError('FRAME_REFUSED', 'a batch inside a batch')
    this.#inBatch = true
    try {
      super._onbatch(state)
    } finally {
      this.#inBatch = false
    }
  }

  protected override _onopensession(state: WireState): Promise<void> | null {
    const byteLength = state.end - state.start
    if (byteLength > limits.OPEN_BYTES_MAX) {
      throw new FreshetError('FRAME_REFUSED', `an open message of ${byteLength} bytes`, { byteLength })
    }
    this.#countOpen()
    // A copy: the base keeps the state while the channel is pending, and with it the whole frame.
    const buffer = Buffer.from((state.buffer as Uint8Array).subarray(state.start, state.end))
    const peek = { buffer, start: 0, end: byteLength }
    const remoteId = c.uint.decode(peek)
    if (!(remoteId >= 1 && remoteId <= REMOTE_IDS_MAX)) {
      throw new FreshetError('CHANNEL_QUOTA', `channel ${remoteId} is out of range`, { remoteId })
    }
    const [protocol, id] = [c.string.decode(peek), hexOf(c.optionalBuffer.decode(peek))]
    const key = `${protocol}##${id}`
    // An answer to our own open is bounded by what we open, and refusing it would confuse the other end.
    const isAnswer = (this._infos.get(key)?.outgoing.length ?? 0) > 0
    const isTooMany = this.#channels() >= limits.CHANNELS_PER_PEER_MAX
    if (!isAnswer && (isTooMany || this.#isRefused(protocol, id))) return this.#reject(remoteId)
    return super._onopensession({ buffer, start: 0, end: byteLength })
  }

  protected override _bufferMessage(remote: RemoteChannel, type: number, state: WireState): void {
    const bytes = (state.buffer as Uint8Array).subarray(state.start, state.end)
    super._bufferMessage(remote, type, { buffer: Buffer.from(bytes), start: 0, end: bytes.byteLength })
    if (this._buffered > limits.PENDING_BYTES_MAX) {
      throw new FreshetError('CHANNEL_QUOTA', `${this._buffered} bytes for channels that are not open yet`)
    }
  }

  /** Small frames, and nothing large inside a batch: the other end refuses both. */
  protected override _pushBatch(localId: number, message: Uint8Array): void {
    const state = this._batchState as WireState
    if (state.end + message.byteLength + BATCH_HEADER_BYTES > limits.FRAME_BYTES_MAX && this._batch?.length !== 0) {
      this._sendBatch(this._batch as never, state)
      this._batch = []
      this._batchState = { buffer: null, start: 0, end: 1 }
    }
    if (message.byteLength + BATCH_HEADER_BYTES > limits.FRAME_BYTES_MAX) this.#writeAlone(localId, message)
    else super._pushBatch(localId, message)
  }

  protected override _pauseMaybe(): void {
    if (this._buffered > PENDING_BYTES_PAUSE) this._paused = true
    if (this._paused) this.stream.pause()
  }

  protected override _resumeMaybe(): void {
    if (this._buffered <= PENDING_BYTES_PAUSE) this._paused = false
    if (!this._paused && !this.#writeHeld) this.stream.resume()
  }

  protected override _ondrain(): void {
    this.#writeHeld = false
    this._resumeMaybe()
    super._ondrain()
    this.#wake()
  }

  protected override _safeDestroy(error: unknown): void {
    this.refuse(asRefusal(error))
  }

  protected override _warn(error: unknown): void {
    this.stream.emit('warning', asRefusal(error))
  }

  protected override _shutdown(): void {
    super._shutdown()
    this.#wake()
  }

  #containMessage(message: MessageOptions): MessageOptions {
    const onmessage = message.onmessage as ((value: unknown, channel: Channel) => unknown) | undefined
    if (onmessage === undefined) return message
    return {
      ...message,
      onmessage: (value: unknown, channel: Channel) => {
        this.#admitMessage()
        const result = onmessage(value, channel) // a throw is caught in _ondata or by the base around an open
        if (isPromise(result)) this.#countHandler(result)
        return result // a rejection reaches _safeDestroy, or _warn on a closed channel
      },
    }
  }

  /** The base calls these from events of the stream, outside any try. */
  #containHooks(options: ChannelOptions): Partial<ChannelOptions> {
    const contained: Record<string, unknown> = {}
    for (const name of ['onopen', 'onclose', 'ondestroy', 'ondrain'] as const) {
      const hook = options[name] as ((...values: unknown[]) => unknown) | undefined
      if (hook === undefined) continue
      contained[name] = (...values: unknown[]) => {
        try {
          return hook(...values)
        } catch (error) {
          this._safeDestroy(error)
          return null
        }
      }
    }
    return contained
  }

  #isRefused(protocol: string, id: string): boolean {
    return protocol === REPLICATION_PROTOCOL && this.#refusesLog(id)
  }

  #admitMessage(): void {
    if (this.#handlersPending >= limits.HANDLERS_PENDING_MAX) {
      throw new FreshetError('CHANNEL_QUOTA', `${this.#handlersPending} messages are still being handled`)
    }
    const queued = this.queuedBytes
    if (queued > limits.WRITE_QUEUE_BYTES_HARD_MAX) {
      throw new FreshetError('PEER_NOT_READING', `${queued} bytes wait for the peer to read`, { queued })
    }
  }

  #countHandler(result: Promise<unknown>): void {
    this.#handlersPending++
    const settled = (): void => {
      this.#handlersPending--
    }
    result.then(settled, settled)
  }

  /** @throws FreshetError FRAME_REFUSED unless `frame` is one message of an open replication channel. */
  #admitLarge(frame: Buffer): void {
    const remoteId = c.uint.decode({ buffer: frame, start: 0, end: frame.byteLength })
    const session = this._remote[remoteId - 1]?.session
    if (session?.protocol === REPLICATION_PROTOCOL && frame.byteLength <= limits.BLOCK_FRAME_BYTES_MAX) return
    throw new FreshetError('FRAME_REFUSED', `a frame of ${frame.byteLength} bytes`, { byteLength: frame.byteLength })
  }

  #countOpen(): void {
    const nowMs = this.#now()
    const earned = ((nowMs - this.#opensCountedAtMs) * limits.OPENS_PER_SECOND_MAX) / 1000
    this.#opensLeft = Math.min(limits.OPENS_BURST_MAX, this.#opensLeft + earned) - 1
    this.#opensCountedAtMs = nowMs
    if (this.#opensLeft < 0) throw new FreshetError('CHANNEL_QUOTA', 'channels are opened faster than allowed')
  }

  #channels(): number {
    let count = 0
    for (const remote of this._remote) if (remote !== null) count++
    return count
  }

  /** A polite no, so that an honest peer with many channels keeps those it has. */
  #reject(remoteId: number): null {
    if (this._remote.length === remoteId - 1) this._remote.push(null)
    if (this._remote[remoteId - 1] !== null) throw new FreshetError('MESSAGE_MALFORMED', `channel ${remoteId} is open`)
    const state = { buffer: null, start: 2, end: 2 } as WireState
    c.uint.preencode(state, remoteId)
    state.buffer = this._alloc(state.end)
    state.buffer.set([CONTROL_CHANNEL, REJECT_TYPE])
    c.uint.encode(state, remoteId)
    this._write0(state.buffer)
    return null
  }

  #writeAlone(localId: number, message: Uint8Array): void {
    const state = { buffer: null, start: 0, end: message.byteLength } as WireState
    c.uint.preencode(state, localId)
    state.buffer = this._alloc(state.end)
    c.uint.encode(state, localId)
    state.buffer.set(message, state.start)
    this.drained = this.stream.write(state.buffer)
  }

  #holdWriter(): void {
    if (this.#writeHeld || this._destroying || queuedBytes(this.stream) <= limits.WRITE_QUEUE_BYTES_MAX) return
    this.#writeHeld = true
    this.stream.pause()
  }

  #checkReading(): void {
    const mark = progressMark(this.stream)
    const nowMs = this.#now()
    if (queuedBytes(this.stream) === 0 || mark !== this.#progressMark) {
      this.#progressMark = mark
      this.#progressAtMs = nowMs
    } else if (nowMs - this.#progressAtMs >= this.#notReadingMs) {
      this.refuse(new FreshetError('PEER_NOT_READING', `the peer read nothing for ${this.#notReadingMs} ms`))
    }
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

/**
 * Puts the guard on a connection; the only place where a mux is made. Call it before anything else uses `stream`.
 * Also listens to its errors, which Node would otherwise take for uncaught, and bounds the Noise handshake.
 */
export function guardConnection(stream: NoiseSecretStream, options: GuardOptions = {}): GuardedMux {
  if (stream.userData !== null) throw new FreshetError('INTERNAL', 'the connection has a mux already')
  stream.on('error', () => undefined) // 'close' follows, and is what everybody acts on
  const mux = new GuardedMux(stream, options)
  const late = setTimeout(() => {
    mux.refuse(new FreshetError('PEER_SLOW', `no handshake within ${limits.HANDSHAKE_MS} ms`))
  }, limits.HANDSHAKE_MS)
  late.unref()
  void stream.opened.then(() => clearTimeout(late)) // never rejects: false when the stream closed first
  return mux
}

/** What the replication guard may see of the mux; a getter, because the base class is not built yet. */
function gateOf(mux: Protomux): { channels: Iterable<Channel>; drained: boolean } {
  return {
    channels: mux,
    get drained() {
      return mux.drained
    },
    set drained(drained) {
      mux.drained = drained
    },
  }
}

/** Always an Error that safety-catch lets pass. Whatever broke, bytes of the peer set it off. */
function asRefusal(error: unknown): FreshetError {
  if (error instanceof FreshetError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new FreshetError('MESSAGE_MALFORMED', `a message could not be handled: ${message}`, {}, error)
}

function hexOf(id: Uint8Array | null): string {
  return id === null ? '' : Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex')
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === 'function'
}
