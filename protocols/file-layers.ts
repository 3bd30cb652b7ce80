/**
 * Piece hashes of the files of one bundle, between peers: asked of whoever a piece is asked of, and given on as soon as they are known.
 *
 * Who is about to get a piece is about to get them, too: an ask that comes too early waits for them.
 */
import { HASH_BYTES } from '../schemas/leaf-hashes.ts'
import { FreshetError } from '../schemas/errors.ts'
import { LAYER_ASK_MS, LAYER_ASKS_MAX, LAYER_ASKS_WAITING_MAX, LAYER_HASHES_MAX } from '../schemas/limits.ts'
import type { BundleLine } from './bundle-line.ts'
import type { SharedBundle } from './shared-bundle.ts'

interface LayerAsk {
  readonly line: BundleLine
  readonly layer: Buffer
  filledBytes: number
  readonly askedAtMs: number
}

interface Waiting {
  readonly line: BundleLine
  readonly file: number
  readonly first: number
  readonly count: number
}

export class FileLayers {
  readonly #bundle: SharedBundle
  /** By file and line. */
  readonly #asks = new Map<number, Map<number, LayerAsk>>()
  /** Asks of peers for what is not here yet. */
  #waiting: Waiting[] = []
  /** Files whose hashes are being read for them. */
  readonly #reading = new Set<number>()

  constructor(bundle: SharedBundle) {
    this.#bundle = bundle
  }

  ask(line: BundleLine, file: number): void {
    const asks = this.#asks.get(file) ?? new Map<number, LayerAsk>()
    if (asks.size >= LAYER_ASKS_MAX || asks.has(line.id)) return
    const { count } = this.#bundle.bundle.piecesOf(file)
    const layer = Buffer.alloc(count * HASH_BYTES)
    asks.set(line.id, { line, layer, filledBytes: 0, askedAtMs: this.#bundle.now() })
    this.#asks.set(file, asks)
    for (let first = 0; first < count; first += LAYER_HASHES_MAX) {
      line.askLayer(this.#bundle, file, first, Math.min(LAYER_HASHES_MAX, count - first))
    }
  }

  /** @param bytes empty: it has none. */
  heard(line: BundleLine, file: number, first: number, bytes: Buffer): void {
    const ask = this.#asks.get(file)?.get(line.id)
    if (ask === undefined) return // it took too long, and others were asked
    if (first * HASH_BYTES !== ask.filledBytes || ask.filledBytes + bytes.byteLength > ask.layer.byteLength) {
      throw new FreshetError('MESSAGE_MALFORMED', `piece hashes from ${first} on were not asked for`, { first })
    }
    bytes.copy(ask.layer, ask.filledBytes)
    ask.filledBytes += bytes.byteLength
    if (bytes.byteLength > 0 && ask.filledBytes < ask.layer.byteLength) return
    this.#asks.get(file)?.delete(line.id)
    if (bytes.byteLength > 0) void this.#accept(ask, file) // a failing disk ends the fetch
  }

  asked(line: BundleLine, file: number, first: number, count: number): void {
    const { bundle } = this.#bundle
    if (file >= bundle.files.length || first + count > bundle.piecesOf(file).count || count > LAYER_HASHES_MAX) {
      throw new FreshetError('MESSAGE_MALFORMED', `piece hashes ${first} to ${first + count} of file ${file}`, { file })
    }
    const wish = { line, file, first, count }
    const known = this.#bundle.layerOf(file)
    if (known !== null) return this.#answer(wish, known)
    if (this.#waiting.length >= LAYER_ASKS_WAITING_MAX) return this.#answer(wish, null)
    this.#waiting.push(wish)
    if (!this.#bundle.needsLayer(file) && !this.#reading.has(file)) void this.#answerFromStore(file) // never rejects
  }

  left({ id }: BundleLine): void {
    for (const asks of this.#asks.values()) asks.delete(id)
    this.#waiting = this.#waiting.filter(({ line }) => line.id !== id)
  }

  /** A file is not fetched any more: it is whole, or never will be. */
  stopped(file: number): void {
    this.#asks.delete(file)
    this.#answerWaiting(file, this.#bundle.layerOf(file))
  }

  tick(nowMs: number): void {
    for (const [file, asks] of this.#asks) {
      if (!this.#bundle.needsLayer(file)) this.#asks.delete(file)
      for (const [id, { askedAtMs }] of asks) if (nowMs - askedAtMs >= LAYER_ASK_MS) asks.delete(id)
      if (asks.size === 0) this.#askAgain(file)
    }
  }

  /** Whoever shows something of the file has them. */
  #askAgain(file: number): void {
    if (!this.#bundle.needsLayer(file)) return
    const { bundle, exchange } = this.#bundle
    const { first, count } = bundle.piecesOf(file)
    for (const line of this.#bundle.lines) {
      const shown = exchange.partners.get(line.id)?.shown
      for (let piece = first; piece < first + count; piece++) {
        if (shown?.has(bundle.blocksOf(piece).first) !== true) continue
        this.ask(line, file)
        break
      }
    }
  }

  async #accept({ line, layer }: LayerAsk, file: number): Promise<void> {
    const isRight = await this.#bundle.acceptLayer(file, layer)
    if (!isRight) line.blame(new FreshetError('PIECE_MISMATCH', 'the piece hashes differ from the signed root'))
    else this.#answerWaiting(file, layer)
  }

  #answerWaiting(file: number, layer: Buffer | null): void {
    const answered = this.#waiting.filter((wish) => wish.file === file)
    this.#waiting = this.#waiting.filter((wish) => wish.file !== file)
    for (const wish of answered) this.#answer(wish, layer)
  }

  /** Read once, however many ask. */
  async #answerFromStore(file: number): Promise<void> {
    this.#reading.add(file)
    const layer = await this.#bundle.storedLayer(file)
    this.#reading.delete(file)
    this.#answerWaiting(file, layer)
  }

  #answer({ line, file, first, count }: Waiting, layer: Buffer | null): void {
    line.sayLayer(this.#bundle, file, first, layer?.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES) ?? null)
  }
}
