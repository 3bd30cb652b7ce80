/**
 * One bundle on this node: the exchange that decides (exchange/), with the bytes that it decides about.
 *
 * Owns: which of its files are being fetched and into what, blocks that are arriving, and what peers may have. Checking is done
 * block by block where a root leads to them (arriving-blocks.ts), and by the sink for what is left. Nothing is given to anybody that is not
 * checked. Who sends what proves to be wrong is named to their line.
 */
import { pieceByteLength, type Artifact } from '../schemas/artifact.ts'
import type { Bundle } from '../schemas/bundle.ts'
import { bundleOf } from '../schemas/bundle-files.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { LEAF_BYTES, MIRROR_AFTER_MS, PIECE_BYTES } from '../schemas/limits.ts'
import { NumberSet } from '../schemas/number-set.ts'
import type { DigestHex, KeyHex } from '../schemas/units.ts'
import { ArrivingBlocks, type Checked } from './arriving-blocks.ts'
import type { BundleLine } from './bundle-line.ts'
import { Exchange, type Upload } from './exchange/exchange.ts'
import type { ExchangeWord } from './exchange/exchange-words.ts'
import type { Opening } from './exchange/partner.ts'
import { FileLayers } from './file-layers.ts'
import type { ServedPieces } from './served-pieces.ts'

/** What is held here; store/pool.ts is one. */
export interface ArtifactSource {
  held(digest: DigestHex): { readonly byteLength: number } | null
  /** 32 bytes per piece; null when there is a single piece or nothing is known. */
  layer(digest: DigestHex): Promise<Buffer | null>
  read(digest: DigestHex, byteOffset: number, byteLength: number): Promise<Buffer>
}

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
  /** Bytes of the file came from this peer or mirror. */
  readonly onBytes: (from: KeyHex, byteLength: number) => void
  /** Nothing of the file came for a while, or nobody is known to have it: called again as long as that is so. */
  readonly onStarved: () => void
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

interface Fetch {
  readonly sink: PieceSink
  readonly options: FetchOptions
  readonly end: (error: FreshetError | null) => void
  /** Who sent pieces that only the whole file checks. */
  readonly senders: Set<number>
  writing: number
  isCompleting: boolean
  cameAtMs: number
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
  readonly #fetches = new Map<number, Fetch>()
  /** Pieces on their way to the disk. */
  readonly #writing = new Set<number>()
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
      for (const piece of piecesOf(bundle, file)) for (const block of blocksOf(bundle, piece)) held.add(block)
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
    if (this.#fetches.has(file)) return Promise.reject(new FreshetError('INTERNAL', `${digest} is being fetched already`))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => end(interrupted(digest, signal))
      const end = (error: FreshetError | null): void => {
        if (this.#fetches.get(file) !== fetch) return
        signal.removeEventListener('abort', onAbort)
        this.#stop(file)
        if (error === null) resolve()
        else reject(error)
      }
      const base = { writing: 0, isCompleting: false, cameAtMs: this.#options.now() }
      const fetch: Fetch = { sink, options, end, senders: new Set(), ...base }
      this.#fetches.set(file, fetch)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#start(file, fetch)
    })
  }

  join(line: BundleLine, opening: Opening): void {
    this.#lines.set(line.id, line)
    this.exchange.join(line.id, opening, this.#options.now())
  }

  leave(line: BundleLine): void {
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
    this.exchange.hear(line.id, word, this.#options.now())
  }

  /** @throws RangeError a piece that is not there. */
  heardLeaves(line: BundleLine, piece: number, leaves: Buffer): void {
    if (piece >= this.bundle.pieces) throw new RangeError(`the bundle has no piece ${piece}`)
    if (!this.#fetches.has(this.bundle.fileOf(piece)) || !this.#lines.has(line.id)) return
    // What was not asked for is not kept: hashes that nothing checks yet wait in memory.
    if (!blocksOf(this.bundle, piece).some((block) => this.exchange.partners.get(line.id)?.asked.has(block))) return
    this.#apply(this.#arriving.learnLeaves(line.id, piece, leaves))
    this.#writeWhole(piece)
  }

  /** @throws RangeError a block that is not there, or has another length. */
  heardBlock(line: BundleLine, block: number, bytes: Buffer): void {
    if (block >= this.bundle.blocks || bytes.byteLength !== this.bundle.blockBytes(block)) {
      throw new RangeError(`${bytes.byteLength} bytes for block ${block}`)
    }
    if (!this.#lines.has(line.id)) return
    const nowMs = this.#options.now()
    const wasAsked = this.exchange.arrived(line.id, block, nowMs)
    const piece = this.bundle.pieceOf(block)
    const fetch = this.#fetches.get(this.bundle.fileOf(piece))
    if (fetch === undefined || this.exchange.held.has(block)) return
    // One that was taken back may still come; it is of use where it can be checked at once.
    if (!wasAsked && this.#arriving.leavesOf(piece) === null) return
    fetch.cameAtMs = nowMs
    fetch.options.onBytes(line.key, bytes.byteLength)
    this.#apply(this.#arriving.add(line.id, block, bytes))
    this.#writeWhole(piece)
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
    if (arrived !== null) return { bytes: arrived, leaves: this.#leavesFor(peer, piece, this.#arriving.leavesOf(piece)) }
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
    for (const [file, fetch] of this.#fetches) this.#watch(file, fetch, nowMs)
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
    this.#recount(file, fetch)
    for (const piece of piecesOf(this.bundle, file)) this.#writeWhole(piece)
    this.#completeWhole(file, fetch)
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

  #start(file: number, fetch: Fetch): void {
    const nowMs = this.#options.now()
    this.#recount(file, fetch)
    this.exchange.want(piecesOf(this.bundle, file), nowMs)
    this.#completeWhole(file, fetch)
    if (!fetch.isCompleting && !this.#hasSource(file, nowMs)) fetch.options.onStarved()
  }

  /** What the sink has counts as held where it was checked, else as come; what it dropped is asked for again. */
  #recount(file: number, { sink }: Fetch): void {
    const nowMs = this.#options.now()
    const dropped: number[] = []
    for (const [index, piece] of piecesOf(this.bundle, file).entries()) {
      const blocks = blocksOf(this.bundle, piece)
      if (sink.readable(index)) this.exchange.keep(blocks, nowMs)
      else if (sink.has(index)) this.exchange.came(blocks)
      else dropped.push(...blocks.filter((block) => !this.exchange.held.has(block) && !this.#arriving.has(block)))
    }
    this.exchange.lose(dropped, nowMs)
  }

  #stop(file: number): void {
    this.#fetches.delete(file)
    this.#layers.stopped(file)
    this.exchange.unwant(piecesOf(this.bundle, file))
    const isWhole = this.#options.source.held(this.artifacts[file]?.digest as DigestHex) !== null
    for (const piece of piecesOf(this.bundle, file)) {
      this.#arriving.forget(piece)
      if (!isWhole) this.exchange.drop(piece, this.#options.now())
    }
  }

  #say(peer: number, word: ExchangeWord): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    if (word.type !== 'ask') return line.say(this, word, false)
    const file = this.bundle.fileOf(word.piece)
    if (this.needsLayer(file)) this.#layers.ask(line, file)
    line.say(this, word, this.#arriving.needsLeaves(word.piece))
  }

  #urgent(): number[] {
    const pieces: number[] = []
    for (const [file, { sink }] of this.#fetches) {
      if (sink.awaited === null) continue
      const { first, count } = this.bundle.piecesOf(file)
      for (let index = sink.awaited; index < Math.min(count, sink.awaited + URGENT_PIECES); index++) pieces.push(first + index)
    }
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
    if (sink === undefined) throw new FreshetError('ARTIFACT_NOT_HELD', `artifact ${digest} is not here any more`, { digest })
    return sink.read(at, length)
  }

  #apply({ kept, lost, liars }: Checked): void {
    const nowMs = this.#options.now()
    if (kept.length > 0) this.exchange.keep(kept, nowMs)
    if (lost.length > 0) this.exchange.lose(lost, nowMs)
    for (const liar of liars) this.#blame(liar)
  }

  #blame(peer: number): void {
    this.#lines.get(peer)?.blame(new FreshetError('PIECE_MISMATCH', 'it sent bytes that differ from their signed hash'))
  }

  /** Puts a piece on disk whose blocks are all here. */
  #writeWhole(piece: number): void {
    const file = this.bundle.fileOf(piece)
    const fetch = this.#fetches.get(file)
    const index = piece - this.bundle.piecesOf(file).first
    if (fetch === undefined || fetch.sink.has(index)) return
    const whole = this.#arriving.whole(piece)
    if (whole === null || this.#writing.has(piece)) return
    void this.#write(piece, file, fetch, whole.bytes) // what fails ends the fetch
  }

  async #write(piece: number, file: number, fetch: Fetch, bytes: Buffer): Promise<void> {
    this.#writing.add(piece)
    fetch.writing++
    try {
      this.#written(piece, file, fetch, await fetch.sink.write(piece - this.bundle.piecesOf(file).first, bytes))
    } catch (error) {
      fetch.end(asFreshetError(error)) // the disk, not the peer
    } finally {
      this.#writing.delete(piece)
      fetch.writing--
    }
    this.#completeWhole(file, fetch)
  }

  #written(piece: number, file: number, fetch: Fetch, isRight: boolean): void {
    if (this.#fetches.get(file) !== fetch) return
    const whole = this.#arriving.whole(piece)
    this.#arriving.forget(piece)
    if (whole === null) return
    const nowMs = this.#options.now()
    const index = piece - this.bundle.piecesOf(file).first
    if (isRight && fetch.sink.readable(index)) {
      this.#options.served.put(fetch.sink.artifact.digest, index, whole.bytes)
      return this.exchange.keep(blocksOf(this.bundle, piece), nowMs)
    }
    if (isRight) {
      for (const sender of whole.senders) fetch.senders.add(sender) // the whole file will tell
      return
    }
    if (whole.unchecked.length === 0) return fetch.end(mismatch(fetch.sink.artifact.digest))
    this.exchange.lose(whole.unchecked, nowMs)
    const [sender, another] = whole.senders
    if (sender !== undefined && another === undefined) this.#blame(sender)
  }

  #completeWhole(file: number, fetch: Fetch): void {
    const { sink } = fetch
    if (this.#fetches.get(file) !== fetch || fetch.isCompleting || fetch.writing > 0) return
    for (let index = 0; index < sink.pieces; index++) if (!sink.has(index)) return
    fetch.isCompleting = true
    void this.#complete(file, fetch) // what fails ends the fetch
  }

  async #complete(file: number, fetch: Fetch): Promise<void> {
    try {
      this.#completed(file, fetch, await fetch.sink.complete())
    } catch (error) {
      fetch.end(asFreshetError(error))
    }
  }

  #completed(file: number, fetch: Fetch, isRight: boolean): void {
    const nowMs = this.#options.now()
    const blocks = piecesOf(this.bundle, file).flatMap((piece) => blocksOf(this.bundle, piece))
    const { digest } = fetch.sink.artifact
    if (isRight) {
      this.exchange.keep(blocks, nowMs)
      return fetch.end(null)
    }
    // Every piece was as signed, so no other peer can do better.
    if (this.#arriving.layerOf(file) !== null || fetch.senders.size === 0) return fetch.end(mismatch(digest))
    const [sender, another] = fetch.senders
    fetch.senders.clear()
    fetch.isCompleting = false
    this.exchange.lose(blocks, nowMs)
    if (sender !== undefined && another === undefined) this.#blame(sender)
  }

  #watch(file: number, fetch: Fetch, nowMs: number): void {
    const { options, sink } = fetch
    const waitedMs = nowMs - fetch.cameAtMs
    if (fetch.isCompleting || fetch.writing > 0 || waitedMs < MIRROR_AFTER_MS) return
    const hasSource = this.#hasSource(file, nowMs)
    options.onStarved()
    const patienceMs = hasSource ? STALLED_PATIENCE * options.patienceMs : options.patienceMs
    if (waitedMs < patienceMs || this.#fetches.get(file) !== fetch) return
    const { digest } = sink.artifact
    fetch.end(new FreshetError('ARTIFACT_UNAVAILABLE', `nobody who can be reached gives ${digest}`, { digest }))
  }

  /** Whether somebody who is not paused has something of the file that is not here. */
  #hasSource(file: number, nowMs: number): boolean {
    const missing = piecesOf(this.bundle, file).filter((piece) =>
      blocksOf(this.bundle, piece).some((block) => !this.exchange.held.has(block)),
    )
    for (const { shown, expects, pausedUntilMs } of this.exchange.partners.values()) {
      if (pausedUntilMs > nowMs) continue
      if (missing.some((piece) => expects.has(piece) || blocksOf(this.bundle, piece).some((block) => shown.has(block)))) {
        return true
      }
    }
    return false
  }
}

/** Pieces from the one that a reader waits for on: it gets a mebibyte ahead. */
const URGENT_PIECES = 4
/** Who has it and does not give it is waited for so many times as long as for somebody to turn up. */
const STALLED_PATIENCE = 4

function piecesOf(bundle: Bundle, file: number): number[] {
  const { first, count } = bundle.piecesOf(file)
  return Array.from({ length: count }, (_, i) => first + i)
}

function blocksOf(bundle: Bundle, piece: number): number[] {
  const { first, count } = bundle.blocksOf(piece)
  return Array.from({ length: count }, (_, i) => first + i)
}

function mismatch(digest: DigestHex): FreshetError {
  return new FreshetError('ARTIFACT_MISMATCH', `the bytes received are not ${digest}`, { digest })
}

function interrupted(digest: DigestHex, signal: AbortSignal): FreshetError {
  return new FreshetError('INTERRUPTED', `the fetch of ${digest} was cancelled`, { digest }, signal.reason)
}
