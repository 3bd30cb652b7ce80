/**
 * One bundle on this node: the exchange that decides (exchange/), with the bytes that it decides about.
 *
 * Owns: which of its files are being fetched (file-fetch.ts), blocks that are arriving, and what peers may have. Checking is done
 * block by block where a root leads to them (arriving-blocks.ts), and by the sink for what is left. Nothing is given to anybody that is not
 * checked. Who sends what proves to be wrong is named to their line.
 */
import { pieceByteLength, type Artifact } from '../schemas/artifact.ts'
import type { Bundle } from '../schemas/bundle.ts'
import { bundleOf } from '../schemas/bundle-files.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { LEAF_BYTES, PIECE_BYTES } from '../schemas/limits.ts'
import { NumberSet } from '../schemas/number-set.ts'
import type { DigestHex } from '../schemas/units.ts'
import { ArrivingBlocks, type Checked } from './arriving-blocks.ts'
import type { BundleLine } from './bundle-line.ts'
import { Exchange, type Upload } from './exchange/exchange.ts'
import type { ExchangeWord } from './exchange/exchange-words.ts'
import type { Opening } from './exchange/partner.ts'
import { type FetchHost, FileFetch, type FetchOptions, type PieceSink } from './file-fetch.ts'
import { FileLayers } from './file-layers.ts'
import type { ServedPieces } from './served-pieces.ts'

/** What is held here; store/pool.ts is one. */
export interface ArtifactSource {
  held(digest: DigestHex): { readonly byteLength: number } | null
  /** 32 bytes per piece; null when there is a single piece or nothing is known. */
  layer(digest: DigestHex): Promise<Buffer | null>
  read(digest: DigestHex, byteOffset: number, byteLength: number): Promise<Buffer>
}

export interface SharedBundleOptions {
  readonly artifacts: readonly Artifact[]
  readonly isOrigin: boolean
  readonly source: ArtifactSource
  readonly served: ServedPieces
  readonly mayAsk: (byteLength: number) => boolean
  readonly now: () => number
  readonly random: () => number
  /** Something that is held could not be read. */
  readonly onFault: (error: FreshetError) => void
}

/** A block to send, with what its taker needs to check it. */
export interface ServedBlock {
  readonly bytes: Buffer
  /** Null: not asked for. */
  readonly leaves: Buffer | null
}

export class SharedBundle {
  readonly bundle: Bundle
  readonly artifacts: readonly Artifact[]
  readonly exchange: Exchange
  readonly #options: SharedBundleOptions
  readonly #arriving: ArrivingBlocks
  readonly #layers: FileLayers
  readonly #lines = new Map<number, BundleLine>()
  readonly #fetches = new Map<number, FileFetch>()
  /** They were told of it, and have not said what they have. */
  readonly #unanswered = new Set<BundleLine>()
  /** Pieces whose block hashes a peer wants with the first block, by peer. */
  readonly #leavesWanted = new Map<number, Set<number>>()
  #usefulAtMs: number

  constructor(options: SharedBundleOptions) {
    this.#options = options
    this.artifacts = options.artifacts
    this.bundle = bundleOf(options.artifacts)
    this.#arriving = new ArrivingBlocks(this.bundle, options.artifacts)
    this.#layers = new FileLayers(this)
    this.#usefulAtMs = options.now()
    const { bundle } = this
    const held = new NumberSet(bundle.blocks)
    for (const [file, { digest, byteLength }] of options.artifacts.entries()) {
      if (options.source.held(digest)?.byteLength !== byteLength) continue
      for (const piece of bundle.pieceNumbersOf(file)) for (const block of bundle.blockNumbersOf(piece)) held.add(block)
    }
    this.exchange = new Exchange({
      bundle,
      held,
      wanted: new NumberSet(bundle.pieces),
      isOrigin: options.isOrigin,
      say: (peer, word) => this.#say(peer, word),
      mayAsk: options.mayAsk,
      urgent: () => this.#urgent(),
      random: options.random,
    })
  }

  get lines(): Iterable<BundleLine> {
    return this.#lines.values()
  }

  get isFetching(): boolean {
    return this.#fetches.size > 0
  }

  /** Whether anybody here or elsewhere could get something out of it. */
  get isUseful(): boolean {
    return this.isFetching || this.exchange.held.size > 0
  }

  /** For how long nobody has wanted anything of it. */
  idleMs(nowMs: number): number {
    return nowMs - this.#usefulAtMs
  }

  fileOf(digest: DigestHex): number {
    return this.artifacts.findIndex((artifact) => artifact.digest === digest)
  }

  /**
   * Brings a file of the bundle into `sink`.
   * @throws FreshetError ARTIFACT_UNAVAILABLE, ARTIFACT_MISMATCH, INTERRUPTED, or what the sink throws.
   */
  fetch(file: number, sink: PieceSink, options: FetchOptions): Promise<void> {
    const { signal } = options
    const { digest } = sink.artifact
    if (signal.aborted) return Promise.reject(interrupted(digest, signal))
    if (this.#fetches.has(file))
      return Promise.reject(new FreshetError('INTERNAL', `${digest} is being fetched already`))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => fetch.end(interrupted(digest, signal))
      const fetch = new FileFetch(this.#fetchHost, this.bundle.pieceNumbersOf(file), sink, options, (error) => {
        signal.removeEventListener('abort', onAbort)
        this.#stop(file)
        if (error === null) resolve()
        else reject(error)
      })
      this.#fetches.set(file, fetch)
      signal.addEventListener('abort', onAbort, { once: true })
      fetch.start()
    })
  }

  /** Once those who may have it were told of it. */
  look(file: number): void {
    this.#fetches.get(file)?.watch(this.#options.now())
  }

  told(line: BundleLine): void {
    if (!this.#lines.has(line.id)) this.#unanswered.add(line)
  }

  join(line: BundleLine, opening: Opening): void {
    this.#unanswered.delete(line)
    this.#lines.set(line.id, line)
    this.exchange.join(line.id, opening, this.#options.now())
  }

  leave(line: BundleLine): void {
    this.#unanswered.delete(line)
    if (!this.#lines.delete(line.id)) return
    this.#leavesWanted.delete(line.id)
    this.#layers.left(line)
    const nowMs = this.#options.now()
    this.exchange.leave(line.id, nowMs)
    this.exchange.lose(this.#arriving.forgetSender(line.id), nowMs)
  }

  /** @throws RangeError what names no piece or block. */
  hear(line: BundleLine, word: ExchangeWord, withLeaves: boolean): void {
    if (!this.#lines.has(line.id)) return
    if (word.type === 'ask' && withLeaves) this.#wantLeaves(line, word.piece)
    if (word.type === 'refuse') this.#fetchOf(word.piece)?.options.tally.refused(line.source)
    this.exchange.hear(line.id, word, this.#options.now())
  }

  /** A peer has nothing of it, or gives nothing. */
  declined(line: BundleLine): void {
    for (const { options } of this.#fetches.values()) options.tally.declined(line.source)
  }

  /** @throws RangeError a piece that is not there. */
  heardLeaves(line: BundleLine, piece: number, leaves: Buffer): void {
    if (piece >= this.bundle.pieces) throw new RangeError(`the bundle has no piece ${piece}`)
    const fetch = this.#fetches.get(this.bundle.fileOf(piece))
    if (fetch === undefined || !this.#lines.has(line.id)) return
    // What was not asked for is not kept: hashes that nothing checks yet wait in memory.
    if (!this.bundle.blockNumbersOf(piece).some((block) => this.exchange.partners.get(line.id)?.asked.has(block)))
      return
    this.#apply(this.#arriving.learnLeaves(line.id, piece, leaves))
    fetch.writeWhole(piece)
  }

  /**
   * @param bytes are copied where they are kept.
   * @throws RangeError a block that is not there, or has another length.
   */
  heardBlock(line: BundleLine, block: number, bytes: Buffer): void {
    if (block >= this.bundle.blocks || bytes.byteLength !== this.bundle.blockBytes(block)) {
      throw new RangeError(`${bytes.byteLength} bytes for block ${block}`)
    }
    if (!this.#lines.has(line.id)) return
    const wasAsked = this.exchange.arrived(line.id, block, this.#options.now())
    const piece = this.bundle.pieceOf(block)
    const fetch = this.#fetches.get(this.bundle.fileOf(piece))
    if (fetch === undefined || this.exchange.held.has(block)) return
    // One that was taken back may still come; it is of use where it can be checked at once.
    if (!wasAsked && this.#arriving.leavesOf(piece) === null) return
    fetch.came(line.source, bytes.byteLength)
    this.#apply(this.#arriving.add(line.id, block, bytes))
    fetch.writeWhole(piece)
  }

  heardLayer(line: BundleLine, file: number, first: number, bytes: Buffer): void {
    this.#layers.heard(line, file, first, bytes)
  }

  heardAskLayer(line: BundleLine, file: number, first: number, count: number): void {
    this.#layers.asked(line, file, first, count)
  }

  nextUpload(isReady: (peer: number) => boolean): Upload | null {
    return this.exchange.nextUpload(isReady)
  }

  /** The bytes of a block that is held; a promise where they have to be read. @throws FreshetError when they cannot be. */
  serve({ peer, block }: Upload): ServedBlock | Promise<ServedBlock> {
    const piece = this.bundle.pieceOf(block)
    const arrived = this.#arriving.block(block)
    if (arrived !== null)
      return { bytes: arrived, leaves: this.#leavesFor(peer, piece, this.#arriving.leavesOf(piece)) }
    const file = this.bundle.fileOf(piece)
    const { digest } = this.artifacts[file] as Artifact
    const index = piece - this.bundle.piecesOf(file).first
    const at = (block - this.bundle.blocksOf(piece).first) * LEAF_BYTES
    const cut = (whole: { bytes: Buffer; leaves: Buffer }): ServedBlock => ({
      bytes: whole.bytes.subarray(at, at + LEAF_BYTES),
      leaves: this.#isLeavesWanted(peer, piece) ? this.#leavesFor(peer, piece, whole.leaves) : null,
    })
    const known = this.#options.served.get(digest, index)
    if (known !== null) return cut(known)
    return this.#options.served.load(digest, index, () => this.#read(file, index)).then(cut)
  }

  /** A block that cannot be read after all. */
  unservable(upload: Upload, error: FreshetError): void {
    this.#options.onFault(error)
    this.exchange.drop(this.bundle.pieceOf(upload.block), this.#options.now())
    this.refuse(upload)
  }

  /** A block that the peer does not get. */
  refuse({ peer, block }: Upload): void {
    const piece = this.bundle.pieceOf(block)
    const mask = 1 << (block - this.bundle.blocksOf(piece).first)
    this.#say(peer, { type: 'refuse', piece, blocks: mask })
  }

  /** Call every EXCHANGE_TICK_MS. */
  tick(nowMs: number): void {
    this.exchange.tick(nowMs)
    this.#layers.tick(nowMs)
    for (const fetch of this.#fetches.values()) fetch.watch(nowMs)
    if (this.isFetching || [...this.exchange.partners.values()].some(({ wantsMore }) => wantsMore)) {
      this.#usefulAtMs = nowMs
    }
  }

  /** The layer of a file that is being fetched came, and is the signed one. For file-layers.ts. */
  async acceptLayer(file: number, layer: Buffer): Promise<boolean> {
    const fetch = this.#fetches.get(file)
    if (fetch === undefined) return true
    try {
      if (!(await fetch.sink.acceptLayer(layer))) return false
    } catch (error) {
      fetch.end(asFreshetError(error))
      return true
    }
    if (this.#fetches.get(file) !== fetch) return true
    this.#apply(this.#arriving.learnLayer(file, layer))
    fetch.layerAccepted()
    return true
  }

  /** Piece hashes of a file that is being fetched; null while they are not known. For file-layers.ts. */
  layerOf(file: number): Buffer | null {
    return this.#arriving.layerOf(file)
  }

  /** Whether piece hashes of a file are wanted and not here. For file-layers.ts. */
  needsLayer(file: number): boolean {
    if (!this.#fetches.has(file) || this.#arriving.layerOf(file) !== null) return false
    return this.artifacts[file]?.piecesRoot !== null && this.bundle.piecesOf(file).count > 1
  }

  /** Piece hashes of a file that is whole here; null where they cannot be had. For file-layers.ts. */
  async storedLayer(file: number): Promise<Buffer | null> {
    const artifact = this.artifacts[file]
    if (artifact === undefined || this.#options.source.held(artifact.digest) === null) return null
    try {
      return await this.#options.source.layer(artifact.digest)
    } catch (error) {
      this.#options.onFault(asFreshetError(error))
      return null
    }
  }

  get now(): () => number {
    return this.#options.now
  }

  get #fetchHost(): FetchHost {
    const { served, now } = this.#options
    return {
      exchange: this.exchange,
      arriving: this.#arriving,
      unanswered: this.#unanswered,
      served,
      now,
      blame: (peer) => this.#blame(peer),
    }
  }

  #stop(file: number): void {
    this.#fetches.delete(file)
    this.#layers.stopped(file)
    const pieces = this.bundle.pieceNumbersOf(file)
    this.exchange.unwant(pieces)
    const isWhole = this.#options.source.held(this.artifacts[file]?.digest as DigestHex) !== null
    for (const piece of pieces) {
      this.#arriving.forget(piece)
      if (!isWhole) this.exchange.drop(piece, this.#options.now())
    }
  }

  #say(peer: number, word: ExchangeWord): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    const isOffer = word.type === 'have' || word.type === 'hand' || word.type === 'expect'
    if (isOffer && !line.mayReceive()) return
    if (word.type !== 'ask') return line.say(this, word, false)
    const file = this.bundle.fileOf(word.piece)
    this.#fetches.get(file)?.options.tally.asked(line.source)
    if (this.needsLayer(file)) this.#layers.ask(line, file)
    line.say(this, word, this.#arriving.needsLeaves(word.piece))
  }

  #urgent(): number[] {
    const pieces: number[] = []
    for (const { urgent } of this.#fetches.values()) pieces.push(...urgent)
    return pieces
  }

  #wantLeaves(line: BundleLine, piece: number): void {
    const wanted = this.#leavesWanted.get(line.id)
    if (wanted === undefined) this.#leavesWanted.set(line.id, new Set([piece]))
    else wanted.add(piece)
  }

  #isLeavesWanted(peer: number, piece: number): boolean {
    return this.#leavesWanted.get(peer)?.has(piece) ?? false
  }

  #leavesFor(peer: number, piece: number, leaves: Buffer | null): Buffer | null {
    return this.#leavesWanted.get(peer)?.delete(piece) === true ? leaves : null
  }

  async #read(file: number, index: number): Promise<Buffer> {
    const { digest, byteLength } = this.artifacts[file] as Artifact
    const [at, length] = [index * PIECE_BYTES, pieceByteLength(byteLength, index)]
    if (this.#options.source.held(digest) !== null) return this.#options.source.read(digest, at, length)
    const sink = this.#fetches.get(file)?.sink
    if (sink === undefined)
      throw new FreshetError('ARTIFACT_NOT_HELD', `artifact ${digest} is not here any more`, { digest })
    return sink.read(at, length)
  }

  #apply({ kept, lost, liars }: Checked): void {
    const nowMs = this.#options.now()
    const [first] = kept
    if (first !== undefined) {
      this.#fetchOf(this.bundle.pieceOf(first))?.kept(kept)
      this.exchange.keep(kept, nowMs)
    }
    for (const liar of liars) this.#blame(liar)
    if (lost.length > 0) this.exchange.lose(lost, nowMs)
  }

  /** It leaves first: what it spoilt must not be asked of it again. */
  #blame(peer: number): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    const error = new FreshetError('PIECE_MISMATCH', 'it sent bytes that differ from their signed hash')
    for (const { options } of this.#fetches.values()) options.tally.failed(line.source, error.code)
    this.leave(line)
    line.blame(error)
  }

  /** @param piece any number. */
  #fetchOf(piece: number): FileFetch | undefined {
    return piece < this.bundle.pieces ? this.#fetches.get(this.bundle.fileOf(piece)) : undefined
  }
}

function interrupted(digest: DigestHex, signal: AbortSignal): FreshetError {
  return new FreshetError('INTERRUPTED', `the fetch of ${digest} was cancelled`, { digest }, signal.reason)
}
