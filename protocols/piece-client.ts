/**
 * Asks one peer for pieces and takes its answers.
 *
 * Owns: the asks under way and those that wait (both bounded), their deadlines, and that an answer holds exactly what was asked for, in order.
 * Whatever is not such an answer is MESSAGE_MALFORMED, which closes the connection. Whether the bytes are right is not known
 * here: the sink of the transfer compares them with the signed hash.
 */
import { FreshetError } from '../schemas/errors.ts'
import {
  ASK_DEADLINE_MS,
  ASKS_IN_FLIGHT_MAX,
  ASKS_QUEUED_MAX,
  LAYER_HASHES_MAX,
  PIECE_BYTES,
  PIECE_WINDOW_BYTES_MIN,
  PIECE_WINDOW_MS,
} from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { Ask, AskLayer, Data, Layer, Refusal } from './piece-frames.ts'

const HASH_BYTES = 32

/** The sending side of the channel; false once it is closed. */
export interface PieceAskSender {
  ask(body: Ask): boolean
  askLayer(body: AskLayer): boolean
  cancel(body: { readonly requestId: number }): boolean
  /** Closes the connection of a peer that does not even confirm a cancel. */
  giveUp(error: FreshetError): void
}

interface Outstanding {
  readonly kind: 'piece' | 'layer'
  readonly buffer: Buffer
  readonly send: (requestId: number) => boolean
  byteLength: number
  /** Null after a cancel: what was on its way still arrives, and is counted but not wanted. */
  settle: { resolve(bytes: Buffer): void; reject(error: FreshetError): void } | null
  deadline: NodeJS.Timeout | null
  /** Stops listening to the signal. */
  release(): void
}

export class PieceClient {
  readonly #sender: PieceAskSender
  readonly #windowMs: number
  readonly #asks = new Map<number, Outstanding>()
  readonly #queue = new Set<Outstanding>()
  #lastRequestId = 0
  #window: NodeJS.Timeout | null = null
  #windowBytes = 0
  #windowBytesMin = 0
  #closed = false

  constructor(sender: PieceAskSender, windowMs: number = PIECE_WINDOW_MS) {
    this.#sender = sender
    this.#windowMs = windowMs
  }

  /** @throws FreshetError ARTIFACT_UNAVAILABLE (the peer refused), PEER_BUSY, PEER_SLOW, PEER_LEFT, or INTERRUPTED by `signal`. */
  ask(digest: DigestHex, piece: number, byteLength: number, signal?: AbortSignal): Promise<Buffer> {
    if (byteLength < 1 || byteLength > PIECE_BYTES) throw new RangeError(`no piece has ${byteLength} bytes`)
    const key = Buffer.from(digest, 'hex')
    return this.#request('piece', byteLength, signal, (requestId) => {
      return this.#sender.ask({ requestId, digest: key, piece })
    })
  }

  /** The hashes of all `pieces`, 32 bytes each. Fails as `ask` does. */
  async askLayer(digest: DigestHex, pieces: number, signal?: AbortSignal): Promise<Buffer> {
    const key = Buffer.from(digest, 'hex')
    const pages: Buffer[] = []
    for (let first = 0; first < pieces; first += LAYER_HASHES_MAX) {
      const count = Math.min(LAYER_HASHES_MAX, pieces - first)
      const page = await this.#request('layer', count * HASH_BYTES, signal, (requestId) => {
        return this.#sender.askLayer({ requestId, digest: key, first, count })
      })
      pages.push(page)
    }
    return Buffer.concat(pages)
  }

  data({ requestId, byteOffset, bytes }: Data): void {
    const ask = this.#expect(requestId, 'piece')
    if (byteOffset !== ask.byteLength || bytes.byteLength === 0) {
      throw malformed(requestId, `bytes at ${byteOffset} where ${ask.byteLength} were expected`)
    }
    this.#take(requestId, ask, bytes)
  }

  layer({ requestId, bytes }: Layer): void {
    const ask = this.#expect(requestId, 'layer')
    if (bytes.byteLength !== ask.buffer.byteLength) throw malformed(requestId, `a layer of ${bytes.byteLength} bytes`)
    this.#take(requestId, ask, bytes)
  }

  refused(requestId: number, reason: Refusal): void {
    const ask = this.#asks.get(requestId)
    if (ask === undefined) throw malformed(requestId, 'a refusal of what was not asked')
    this.#end(requestId, ask)
    const code = reason === 'busy' ? 'PEER_BUSY' : 'ARTIFACT_UNAVAILABLE'
    ask.settle?.reject(new FreshetError(code, `the peer does not send it: ${reason}`, { reason }))
  }

  /** Every ask fails with `error`; no more are taken. */
  close(error: FreshetError): void {
    this.#closed = true
    for (const ask of [...this.#queue]) this.#abort(ask, error)
    for (const [requestId, ask] of [...this.#asks]) {
      this.#end(requestId, ask)
      ask.settle?.reject(error)
    }
    if (this.#window !== null) clearTimeout(this.#window)
    this.#window = null
  }

  #request(
    kind: Outstanding['kind'],
    byteLength: number,
    signal: AbortSignal | undefined,
    send: (requestId: number) => boolean,
  ): Promise<Buffer> {
    if (signal?.aborted === true) return Promise.reject(interrupted())
    if (this.#closed) return Promise.reject(new FreshetError('PEER_LEFT', 'the connection is closed'))
    if (this.#queue.size >= ASKS_QUEUED_MAX) {
      return Promise.reject(new FreshetError('PEER_BUSY', `${this.#queue.size} asks wait for this peer`))
    }
    if (this.#stuck()) return Promise.reject(slow('the peer answers nothing'))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#abort(ask, interrupted())
      signal?.addEventListener('abort', onAbort, { once: true })
      const release = (): void => signal?.removeEventListener('abort', onAbort)
      const buffer = Buffer.allocUnsafe(byteLength)
      const settle = { resolve, reject }
      const ask: Outstanding = { kind, buffer, send, byteLength: 0, settle, deadline: null, release }
      this.#queue.add(ask)
      this.#startNext()
    })
  }

  #startNext(): void {
    for (const ask of this.#queue) {
      if (this.#asks.size >= ASKS_IN_FLIGHT_MAX || this.#closed) return
      this.#queue.delete(ask)
      const requestId = ++this.#lastRequestId
      ask.deadline = this.#deadline(() => this.#cancel(requestId, slow(`no answer within ${ASK_DEADLINE_MS} ms`)))
      this.#asks.set(requestId, ask)
      if (this.#window === null) this.#startWindow()
      ask.send(requestId)
    }
  }

  /** Every place is taken by an ask that was cancelled and not confirmed. */
  #stuck(): boolean {
    if (this.#asks.size < ASKS_IN_FLIGHT_MAX) return false
    for (const ask of this.#asks.values()) if (ask.settle !== null) return false
    return true
  }

  #deadline(passed: () => void): NodeJS.Timeout {
    const timer = setTimeout(passed, ASK_DEADLINE_MS)
    timer.unref()
    return timer
  }

  #expect(requestId: number, kind: Outstanding['kind']): Outstanding {
    const ask = this.#asks.get(requestId)
    if (ask?.kind !== kind) throw malformed(requestId, 'an answer to what was not asked')
    return ask
  }

  #take(requestId: number, ask: Outstanding, bytes: Buffer): void {
    if (ask.byteLength + bytes.byteLength > ask.buffer.byteLength)
      throw malformed(requestId, 'more bytes than asked for')
    bytes.copy(ask.buffer, ask.byteLength)
    ask.byteLength += bytes.byteLength
    this.#windowBytes += bytes.byteLength
    if (ask.byteLength < ask.buffer.byteLength) return
    this.#end(requestId, ask)
    ask.settle?.resolve(ask.buffer)
  }

  #abort(ask: Outstanding, error: FreshetError): void {
    if (this.#queue.delete(ask)) {
      ask.release()
      ask.settle?.reject(error)
      return
    }
    for (const [requestId, started] of this.#asks) if (started === ask) this.#cancel(requestId, error)
  }

  /** The ask stays on the books until the peer has confirmed or everything asked for has come. */
  #cancel(requestId: number, error: FreshetError): void {
    const ask = this.#asks.get(requestId)
    if (ask === undefined || ask.settle === null) return
    const { settle } = ask
    ask.settle = null
    ask.release()
    if (ask.deadline !== null) clearTimeout(ask.deadline)
    ask.deadline = this.#deadline(() => this.#sender.giveUp(slow('the peer does not confirm a cancelled ask')))
    this.#sender.cancel({ requestId })
    settle.reject(error)
  }

  #end(requestId: number, ask: Outstanding): void {
    this.#asks.delete(requestId)
    ask.release()
    if (ask.deadline !== null) clearTimeout(ask.deadline)
    this.#startNext()
  }

  /** A minimum rate, so that a peer that drips cannot hold a download; what is asked later counts from the next window. */
  #startWindow(): void {
    let missing = 0
    for (const ask of this.#asks.values()) missing += ask.buffer.byteLength - ask.byteLength
    this.#windowBytes = 0
    this.#windowBytesMin = Math.min(missing, (PIECE_WINDOW_BYTES_MIN * this.#windowMs) / PIECE_WINDOW_MS)
    this.#window = setTimeout(() => this.#endWindow(), this.#windowMs)
    this.#window.unref()
  }

  #endWindow(): void {
    this.#window = null
    if (this.#windowBytes < this.#windowBytesMin) {
      const error = slow(`${this.#windowBytes} bytes in ${this.#windowMs} ms`)
      for (const requestId of [...this.#asks.keys()]) this.#cancel(requestId, error)
      for (const ask of [...this.#queue]) this.#abort(ask, error)
    }
    for (const ask of this.#asks.values()) {
      if (ask.settle !== null) return this.#startWindow()
    }
  }
}

function slow(message: string): FreshetError {
  return new FreshetError('PEER_SLOW', message)
}

function interrupted(): FreshetError {
  return new FreshetError('INTERRUPTED', 'the transfer was cancelled')
}

function malformed(requestId: number, message: string): FreshetError {
  return new FreshetError('MESSAGE_MALFORMED', `request ${requestId}: ${message}`, { requestId })
}
