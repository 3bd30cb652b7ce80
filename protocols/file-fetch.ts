/**
 * One file of a bundle on its way into a sink: whole pieces go to the disk, which checks what is still unchecked, and the whole file at the end.
 *
 * Owns: what is being written, and who sent what only the whole file can check. Ends once, with an error or without.
 */
import type { Artifact } from '../schemas/artifact.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { EXCHANGE_TICK_MS } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { ArrivingBlocks } from './arriving-blocks.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { FetchTally, Source } from './fetch-tally.ts'
import type { FetchLook } from './mirror-race.ts'
import type { ServedPieces } from './served-pieces.ts'

/** Where the pieces of one file go; store/partial-artifact.ts is one. */
export interface PieceSink {
  readonly artifact: Artifact
  readonly pieces: number
  has(index: number): boolean
  /** Whether it is here, and checked. */
  readable(index: number): boolean
  /** The first piece that a reader waits for; null: nobody does. */
  readonly awaited: number | null
  /** Compared with the signed root; false when it does not match. */
  acceptLayer(layer: Buffer): Promise<boolean>
  /** False when `bytes` differ from their hash, where one is known. */
  write(index: number, bytes: Buffer): Promise<boolean>
  read(byteOffset: number, byteLength: number): Promise<Buffer>
  /** Checks and keeps the whole file. False when it differs from its digest; all pieces are dropped then. */
  complete(): Promise<boolean>
}

export interface FetchOptions {
  readonly signal: AbortSignal
  /** How long to look for somebody who has it, without any progress. */
  readonly patienceMs: number
  /** Counts what happens. */
  readonly tally: FetchTally
  /** At the start, and every EXCHANGE_TICK_MS: whoever has other sources than peers decides when they are asked. */
  readonly onLook: (look: FetchLook, nowMs: number) => void
  /** A peer gave something of it that is right, or that only the whole file will check. */
  readonly onUseful: (byteLength: number, nowMs: number) => void
}

/** What a fetch needs of its bundle (shared-bundle.ts). */
export interface FetchHost {
  readonly exchange: Exchange
  readonly arriving: ArrivingBlocks
  /** Peers who have not said yet what they have. */
  readonly unanswered: ReadonlySet<unknown>
  readonly served: ServedPieces
  readonly now: () => number
  blame(peer: number): void
}

/** Pieces from the one that a reader waits for on: it gets a mebibyte ahead. */
const URGENT_PIECES = 4
/** Who has it and does not give it is waited for so many times as long as for somebody to turn up. */
const STALLED_PATIENCE = 4

export class FileFetch {
  readonly sink: PieceSink
  readonly options: FetchOptions
  readonly #host: FetchHost
  readonly #pieces: readonly number[]
  readonly #onEnd: (error: FreshetError | null) => void
  /** Who sent pieces that only the whole file checks. */
  readonly #senders = new Set<number>()
  /** Some of it was here before, sent by nobody knows whom, and only the whole file checks it. */
  #isInherited = false
  /** Pieces on their way to the disk. */
  readonly #writing = new Set<number>()
  #isCompleting = false
  #isEnded = false
  #cameAtMs: number
  readonly #startedAtMs: number
  /** When a peer last gave something useful. */
  #gaveAtMs = Number.NEGATIVE_INFINITY

  /** @param pieces of the bundle, in order. @param onEnd is called once. */
  constructor(
    host: FetchHost,
    pieces: readonly number[],
    sink: PieceSink,
    options: FetchOptions,
    onEnd: (error: FreshetError | null) => void,
  ) {
    this.#host = host
    this.#pieces = pieces
    this.sink = sink
    this.options = options
    this.#onEnd = onEnd
    this.#cameAtMs = this.#startedAtMs = host.now()
  }

  /** Pieces that a reader waits for, the first of them first. */
  get urgent(): readonly number[] {
    const { awaited } = this.sink
    return awaited === null ? [] : this.#pieces.slice(awaited, awaited + URGENT_PIECES)
  }

  start(): void {
    const { exchange, now } = this.#host
    // What the pool had when the bundle was opened may have been lost or damaged since: that is why it is fetched.
    for (const [index, piece] of this.#pieces.entries()) if (!this.sink.has(index)) exchange.drop(piece, now())
    this.#recount()
    this.#isInherited = this.#pieces.some((_, index) => this.sink.has(index) && !this.sink.readable(index))
    exchange.want(this.#pieces, now())
    this.complete()
  }

  end(error: FreshetError | null): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#onEnd(error)
  }

  came(source: Source, byteLength: number): void {
    this.#cameAtMs = this.#host.now()
    this.options.tally.came(source, byteLength)
    // What nothing checks before the whole file is here has to be believed until then.
    if (source.kind !== 'mirror' && !this.#checksBlocks) this.#gave(byteLength)
  }

  /** Blocks of it that are right, and are not yet counted as held. */
  kept(blocks: readonly number[]): void {
    const { exchange } = this.#host
    let byteLength = 0
    for (const block of blocks) {
      const sender = exchange.senderOf(block)
      if (sender?.givesLeaves === true) byteLength += exchange.bundle.blockBytes(block)
    }
    if (byteLength > 0 && this.#checksBlocks) this.#gave(byteLength)
  }

  /** The sink knows the piece hashes now. */
  layerAccepted(): void {
    if (this.#isEnded) return
    this.#recount()
    for (const piece of this.#pieces) this.writeWhole(piece)
    this.complete()
  }

  /** Puts a piece on disk whose blocks are all here. */
  writeWhole(piece: number): void {
    if (this.#isEnded || this.sink.has(this.#indexOf(piece)) || this.#writing.has(piece)) return
    const whole = this.#host.arriving.whole(piece)
    if (whole !== null) void this.#write(piece, whole.bytes) // what fails ends the fetch
  }

  /** Once all pieces are on disk. */
  complete(): void {
    if (this.#isEnded || this.#isCompleting || this.#writing.size > 0) return
    for (let index = 0; index < this.sink.pieces; index++) if (!this.sink.has(index)) return
    this.#isCompleting = true
    void this.#complete() // what fails ends the fetch
  }

  /** Looks at the clock: nothing may have come for too long. */
  watch(nowMs: number): void {
    if (this.#isEnded || this.#isCompleting) return
    const { patienceMs, onLook, tally } = this.options
    const { byteLength, digest } = this.sink.artifact
    const missingBytes = Math.max(0, byteLength - tally.bytes)
    // Who has just given something has more, or will be found out soon: it need not be looked for.
    const isGiven = nowMs - this.#gaveAtMs < 2 * EXCHANGE_TICK_MS
    const hasSource = isGiven || this.#host.unanswered.size > 0 || this.#hasSource(nowMs, true)
    onLook({ hasSource, usefulAtMs: Math.max(this.#startedAtMs, this.#gaveAtMs), missingBytes }, nowMs)
    const waitedMs = nowMs - this.#cameAtMs
    if (this.#writing.size > 0 || waitedMs < patienceMs) return
    const isPromised = hasSource || this.#hasSource(nowMs, false)
    // Of many files that come over one line, some wait long for their turn.
    const idleMs = isPromised ? Math.min(waitedMs, nowMs - this.#lastGivenMs()) : waitedMs
    if (idleMs < (isPromised ? STALLED_PATIENCE * patienceMs : patienceMs)) return
    this.end(new FreshetError('ARTIFACT_UNAVAILABLE', `nobody who can be reached gives ${digest}`, { digest }))
  }

  get #checksBlocks(): boolean {
    const [first] = this.#pieces
    return first !== undefined && this.#host.exchange.bundle.checksBlocks(first)
  }

  /** A peer, something that is of use. */
  #gave(byteLength: number): void {
    this.#gaveAtMs = this.#host.now()
    this.options.onUseful(byteLength, this.#gaveAtMs)
  }

  /** What the sink has counts as held where it was checked, else as come; what it dropped is asked for again. */
  #recount(): void {
    const { exchange, arriving, now } = this.#host
    const dropped: number[] = []
    for (const [index, piece] of this.#pieces.entries()) {
      const blocks = exchange.bundle.blockNumbersOf(piece)
      if (this.sink.readable(index)) exchange.keep(blocks, now())
      else if (this.sink.has(index)) exchange.came(blocks)
      else dropped.push(...blocks.filter((block) => !exchange.held.has(block) && !arriving.has(block)))
    }
    exchange.lose(dropped, now())
  }

  async #write(piece: number, bytes: Buffer): Promise<void> {
    this.#writing.add(piece)
    try {
      this.#written(piece, await this.sink.write(this.#indexOf(piece), bytes))
    } catch (error) {
      this.end(asFreshetError(error)) // the disk, not the peer
    } finally {
      this.#writing.delete(piece)
    }
    this.complete()
  }

  #written(piece: number, isRight: boolean): void {
    if (this.#isEnded) return
    const { arriving, exchange, served, now } = this.#host
    const whole = arriving.whole(piece)
    arriving.forget(piece)
    if (whole === null) return
    const index = this.#indexOf(piece)
    const { digest } = this.sink.artifact
    if (isRight && this.sink.readable(index)) {
      served.put(digest, index, whole.bytes)
      return exchange.keep(exchange.bundle.blockNumbersOf(piece), now())
    }
    if (isRight) {
      for (const sender of whole.senders) this.#senders.add(sender) // the whole file will tell
      return
    }
    if (whole.unchecked.length === 0) return this.end(mismatch(digest))
    this.#blameOnly(whole.senders)
    exchange.lose(whole.unchecked, now())
  }

  async #complete(): Promise<void> {
    try {
      this.#completed(await this.sink.complete())
    } catch (error) {
      this.end(asFreshetError(error))
    }
  }

  #completed(isRight: boolean): void {
    if (this.#isEnded) return
    const { exchange, now } = this.#host
    const blocks = this.#pieces.flatMap((piece) => exchange.bundle.blockNumbersOf(piece))
    if (isRight) {
      exchange.keep(blocks, now())
      return this.end(null)
    }
    // Every piece was as signed, so no other peer can do better.
    if (this.#isLayerKnown || (this.#senders.size === 0 && !this.#isInherited))
      return this.end(mismatch(this.sink.artifact.digest))
    const senders = new Set(this.#senders)
    this.#senders.clear()
    this.#isCompleting = false
    if (!this.#isInherited) this.#blameOnly(senders)
    this.#isInherited = false
    exchange.lose(blocks, now())
  }

  get #isLayerKnown(): boolean {
    const [first] = this.#pieces
    const { arriving, exchange } = this.#host
    return first !== undefined && arriving.layerOf(exchange.bundle.fileOf(first)) !== null
  }

  /** Where several may have sent what was wrong, nobody is blamed yet. */
  #blameOnly([sender, another]: ReadonlySet<number>): void {
    const { exchange } = this.#host
    const [first] = this.#pieces
    if (another !== undefined && first !== undefined) return exchange.distrust(exchange.bundle.fileOf(first))
    if (sender !== undefined) this.#host.blame(sender)
  }

  #indexOf(piece: number): number {
    return piece - (this.#pieces[0] ?? 0)
  }

  /** When somebody last gave something that was asked for, of whichever file. */
  #lastGivenMs(): number {
    let last = Number.NEGATIVE_INFINITY
    for (const { receivedBytes, lastArrivalMs } of this.#host.exchange.partners.values()) {
      if (receivedBytes > 0) last = Math.max(last, lastArrivalMs)
    }
    return last
  }

  /** Whether somebody who is not paused has something of the file that is not here: a peer, or a mirror. */
  #hasSource(nowMs: number, isPeer: boolean): boolean {
    const { bundle, held, partners } = this.#host.exchange
    const able = [...partners.values()].filter(
      ({ givesLeaves, pausedUntilMs }) => givesLeaves === isPeer && pausedUntilMs <= nowMs,
    )
    if (able.length === 0) return false
    for (const piece of this.#pieces) {
      const { first, count } = bundle.blocksOf(piece)
      for (let block = first; block < first + count; block++) {
        if (held.has(block)) continue
        if (able.some(({ shown, expects }) => shown.has(block) || expects.has(piece))) return true
      }
    }
    return false
  }
}

function mismatch(digest: DigestHex): FreshetError {
  return new FreshetError('ARTIFACT_MISMATCH', `the bytes received are not ${digest}`, { digest })
}
