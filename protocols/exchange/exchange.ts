/**
 * One node's part in spreading one bundle: what it tells, asks and gives, to and from whom.
 *
 * Pure: time and chance are given, words go out through `say`, and blocks are named, never touched. The network and the simulator run
 * these lines. Policies: ask-blocks.ts (what to ask of whom), hand-out.ts (how an origin spends one copy), serve-blocks.ts (whose
 * turn it is). A peer is a small number that the caller chose.
 */
import type { Bundle } from '../../schemas/bundle.ts'
import {
  BLOCKS_ASKED_MAX,
  EXPECTED_PIECES_MAX,
  HAVE_DELAY_MS,
  HAVE_DELAY_MS_MAX,
  HAVE_INTERVAL_MS,
} from '../../schemas/limits.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import { AskBlocks } from './ask-blocks.ts'
import type { ExchangeView } from './exchange-view.ts'
import { maskOf, type BlockMask, type ExchangeWord } from './exchange-words.ts'
import { HandOut } from './hand-out.ts'
import { Partner, type Opening } from './partner.ts'
import { ServeBlocks } from './serve-blocks.ts'

export interface ExchangeOptions {
  readonly bundle: Bundle
  /** Blocks that are here and checked. The exchange keeps it up to date. */
  readonly held: NumberSet
  /** Pieces that are wanted, held or not. */
  readonly wanted: NumberSet
  /** Whether the content came from here: each piece then goes to one peer first, who passes it on. */
  readonly isOrigin: boolean
  readonly say: (peer: number, word: ExchangeWord) => void
  readonly mayAsk: (byteLength: number) => boolean
  /** Pieces that somebody here waits for now, the first of them first. */
  readonly urgent: () => readonly number[]
  /** From 0 to below 1. */
  readonly random: () => number
}

/** A block to send, and to whom. */
export interface Upload {
  readonly peer: number
  readonly block: number
}

export class Exchange implements ExchangeView {
  readonly bundle: Bundle
  readonly held: NumberSet
  readonly wanted: NumberSet
  readonly partners = new Map<number, Partner>()
  /** Peers that show a piece or expect it, by piece. */
  readonly sources: Uint16Array
  readonly say: (peer: number, word: ExchangeWord) => void
  readonly mayAsk: (byteLength: number) => boolean
  readonly urgent: () => readonly number[]
  readonly random: () => number
  readonly #asks: AskBlocks
  readonly #handOut: HandOut
  readonly #serve: ServeBlocks
  #missing: number
  /** Of the last tick: near enough where nothing else tells. */
  #nowMs = Number.NEGATIVE_INFINITY

  constructor(options: ExchangeOptions) {
    this.bundle = options.bundle
    this.held = options.held
    this.wanted = options.wanted
    this.say = options.say
    this.mayAsk = options.mayAsk
    this.urgent = options.urgent
    this.random = options.random
    this.sources = new Uint16Array(this.bundle.pieces)
    this.#missing = 0
    for (const piece of this.wanted) this.#missing += this.#missingOf(piece)
    this.#asks = new AskBlocks(this)
    this.#handOut = new HandOut(this, options.isOrigin)
    this.#serve = new ServeBlocks(this.bundle)
  }

  /** Whether every wanted block is here. */
  get complete(): boolean {
    return this.#missing === 0
  }

  /** A peer opened. What it is told of ours follows from here on. */
  join(peer: number, opening: Opening, nowMs: number): void {
    const partner = new Partner(peer, opening, nowMs)
    this.partners.set(peer, partner)
    for (let piece = 0; piece < this.bundle.pieces; piece++)
      if (isSource(this.bundle, partner, piece)) this.#sourced(piece, 1)
    this.#noteWants(partner)
    this.#asks.joined(partner)
    this.#handOut.joined(partner, nowMs)
    this.tick(nowMs)
  }

  leave(peer: number, nowMs: number): void {
    const partner = this.partners.get(peer)
    if (partner === undefined) return
    this.partners.delete(peer)
    for (let piece = 0; piece < this.bundle.pieces; piece++) {
      if (isSource(this.bundle, partner, piece)) this.#sourced(piece, -1)
    }
    this.#handOut.left(partner)
    this.#asks.left(partner)
    this.#asks.fill(nowMs)
  }

  /** What to say that we hold when we open. */
  opening(): NumberSet {
    const shown = new NumberSet(this.bundle.blocks)
    for (const block of this.held) if (this.#handOut.mayTell(this.bundle.pieceOf(block))) shown.add(block)
    return shown
  }

  /** More pieces are wanted. */
  want(pieces: Iterable<number>, nowMs: number): void {
    const added = [...pieces].filter((piece) => this.wanted.add(piece))
    for (const piece of added) {
      this.#missing += this.#missingOf(piece)
      this.#asks.want(piece)
    }
    if (added.length === 0) return
    for (const { id } of this.partners.values()) this.say(id, { type: 'want', pieces: added })
    this.#asks.fill(nowMs)
  }

  /** Nobody here waits for these pieces any more; peers are not told, and lose nothing by that. */
  unwant(pieces: Iterable<number>): void {
    for (const piece of pieces) {
      if (!this.wanted.delete(piece)) continue
      this.#missing -= this.#missingOf(piece)
      this.#asks.unwant(piece)
    }
  }

  /** @throws RangeError what names no piece or block of the bundle. */
  hear(peer: number, word: ExchangeWord, nowMs: number): void {
    const partner = this.partners.get(peer)
    if (partner === undefined) return
    if (word.type === 'want') return this.#heardWant(partner, word.pieces, nowMs)
    if (word.type === 'have') return this.#heardHave(partner, word.blocks, nowMs)
    if (word.piece >= this.bundle.pieces) throw new RangeError(`the bundle has no piece ${word.piece}`)
    switch (word.type) {
      case 'hand':
        return this.#heardHand(partner, word.piece, nowMs)
      case 'expect':
        return this.#heardExpect(partner, word.piece, nowMs)
      case 'ask':
        return this.#heardAsk(partner, word.piece, word.blocks)
      case 'cancel':
        return this.#heardCancel(partner, word.piece, word.blocks)
      case 'refuse':
        return this.#asks.refused(partner, word.piece, word.blocks, nowMs)
    }
  }

  /** A block came, and is being checked. @returns whether it was asked of this peer. */
  arrived(peer: number, block: number, nowMs: number): boolean {
    const partner = this.partners.get(peer)
    if (partner === undefined || block >= this.bundle.blocks) return false
    // What nobody asked for says nothing of whether it gives what was asked for.
    if (partner.asked.has(block)) partner.received(this.bundle.blockBytes(block), nowMs)
    return this.#asks.arrived(partner, block, nowMs)
  }

  /** Blocks are here and right: they can be given to others from now on. */
  keep(blocks: Iterable<number>, nowMs: number): void {
    for (const block of blocks) {
      if (!this.held.add(block)) continue
      if (this.wanted.has(this.bundle.pieceOf(block))) this.#missing--
      this.#asks.kept(block, nowMs)
      for (const partner of this.partners.values()) {
        if (partner.awaited.delete(block)) this.#enqueue(partner, block, true)
        if (!partner.told.has(block)) partner.untold.add(block)
      }
    }
    this.#handOut.step(nowMs)
  }

  /** Blocks are here that only the whole file will check: they are neither asked for nor given. */
  came(blocks: Iterable<number>): void {
    for (const block of blocks) if (!this.held.has(block)) this.#asks.came(block)
  }

  /** A piece that was here, or had come to be checked, is gone. */
  drop(piece: number, nowMs: number): void {
    for (const block of this.#blocks(piece)) {
      if (this.held.delete(block) && this.wanted.has(piece)) this.#missing++
      this.#asks.lost(block)
      for (const partner of this.partners.values()) this.#takeBack(partner, piece, block)
    }
    this.#asks.fill(nowMs)
  }

  /** Blocks that came were wrong: they are asked for again. */
  lose(blocks: Iterable<number>, nowMs: number): void {
    for (const block of blocks) this.#asks.lost(block)
    this.#asks.fill(nowMs)
  }

  /** A file was wrong, and more than one may have sent what was: who sends no hashes of blocks gives it one at a time from now on. */
  distrust(file: number): void {
    this.#asks.distrust(file)
  }

  /**
   * The next block to send, taken off the queue; null when nobody waits for one that is here.
   * @param isReady whether a peer's line can take something.
   */
  nextUpload(isReady: (peer: number) => boolean): Upload | null {
    const upload = this.#serve.next(this.partners.values(), isReady)
    if (upload === null) return null
    this.#handOut.sent(upload.partner, upload.block, this.#nowMs)
    return { peer: upload.partner.id, block: upload.block }
  }

  /** Call some twenty times a second. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    for (const partner of this.partners.values()) {
      if (nowMs - partner.toldAtMs >= this.#haveDelayMs(partner)) this.#tellNews(partner, nowMs)
    }
    this.#handOut.step(nowMs)
    this.#asks.tick(nowMs)
  }

  /** Tells one peer of blocks it was not told of. */
  tell(partner: Partner, blocks: Iterable<number>): void {
    for (const block of blocks) if (this.held.has(block) && !partner.told.has(block)) partner.untold.add(block)
  }

  withdraw(partner: Partner, piece: number, blocks: Iterable<number>): void {
    const wasSource = isSource(this.bundle, partner, piece)
    partner.expects.delete(piece)
    for (const block of blocks) partner.shown.delete(block)
    if (wasSource && !isSource(this.bundle, partner, piece)) this.#sourced(piece, -1)
  }

  /** The more there are to tell, the longer each of them waits: words must not cost more than the blocks that they are about. */
  #haveDelayMs({ wantsMore }: Partner): number {
    if (!wantsMore) return HAVE_DELAY_MS // an origin: it goes by this in what it hands to whom
    return Math.max(HAVE_DELAY_MS, Math.min(HAVE_DELAY_MS_MAX, HAVE_INTERVAL_MS * this.partners.size))
  }

  #tellNews(partner: Partner, nowMs: number): void {
    partner.toldAtMs = nowMs
    const news = [...partner.untold].filter((block) => this.#handOut.mayTell(this.bundle.pieceOf(block)))
    const blocks = news.filter((block) => partner.told.add(block))
    partner.untold.clear()
    if (blocks.length > 0) this.say(partner.id, { type: 'have', blocks })
  }

  #heardWant(partner: Partner, pieces: readonly number[], nowMs: number): void {
    let isNew = false
    for (const piece of pieces) {
      if (piece >= this.bundle.pieces) throw new RangeError(`the bundle has no piece ${piece}`)
      if (!partner.wants.add(piece)) continue
      isNew = true
      if (this.#handOut.mayTell(piece)) this.tell(partner, this.#blocks(piece))
    }
    if (!isNew) return
    partner.wantsMore = true
    this.#noteWants(partner)
    this.#handOut.joined(partner, nowMs)
    this.#handOut.step(nowMs)
  }

  #heardHave(partner: Partner, blocks: readonly number[], nowMs: number): void {
    for (const block of blocks) {
      if (block >= this.bundle.blocks) throw new RangeError(`the bundle has no block ${block}`)
      const piece = this.bundle.pieceOf(block)
      const known = isSource(this.bundle, partner, piece)
      if (!partner.shown.add(block)) continue
      if (!known) this.#sourced(piece, 1)
      this.#asks.shown(partner, block)
    }
    this.#noteWants(partner)
    this.#handOut.spread(partner, blocks, nowMs)
    this.#asks.fillOne(partner, nowMs)
  }

  #heardHand(partner: Partner, piece: number, nowMs: number): void {
    const isNew = !isSource(this.bundle, partner, piece)
    for (const block of this.#blocks(piece)) if (partner.shown.add(block)) this.#asks.shown(partner, block)
    if (isNew) this.#sourced(piece, 1)
    if (!this.#asks.askHanded(partner, piece, nowMs)) return
    for (const other of this.partners.values()) {
      if (other !== partner && other.wants.has(piece)) this.say(other.id, { type: 'expect', piece })
    }
  }

  #heardExpect(partner: Partner, piece: number, nowMs: number): void {
    if (isSource(this.bundle, partner, piece) || partner.expects.size >= EXPECTED_PIECES_MAX) return
    partner.expects.add(piece)
    this.#sourced(piece, 1)
    this.#asks.askExpected(partner, piece, nowMs)
  }

  #heardAsk(partner: Partner, piece: number, mask: BlockMask): void {
    const refused: number[] = []
    for (const block of this.#masked(piece, mask)) {
      if (partner.queue.size + partner.awaited.size >= BLOCKS_ASKED_MAX) refused.push(block)
      else if (this.held.has(block)) this.#enqueue(partner, block)
      else if (this.#asks.isComing(block)) partner.awaited.add(block)
      else refused.push(block)
    }
    if (refused.length > 0) this.say(partner.id, { type: 'refuse', piece, blocks: maskOf(this.bundle, piece, refused) })
  }

  #heardCancel(partner: Partner, piece: number, mask: BlockMask): void {
    for (const block of this.#masked(piece, mask)) {
      partner.awaited.delete(block)
      if (!partner.queue.delete(block)) continue
      this.#handOut.sent(partner, block, this.#nowMs)
      partner.told.delete(block)
      partner.untold.add(block)
    }
  }

  #enqueue(
    partner: Partner,
    block: number,
    isFirst = this.#handOut.isHandedTo(partner, this.bundle.pieceOf(block)),
  ): void {
    this.#serve.waits(partner)
    partner.queue.add(block, isFirst)
    partner.told.add(block)
  }

  #noteWants(partner: Partner): void {
    if (!partner.wantsMore) return
    for (const piece of partner.wants) {
      for (const block of this.#blocks(piece)) if (!partner.shown.has(block)) return
    }
    partner.wantsMore = false
  }

  #missingOf(piece: number): number {
    let missing = 0
    for (const block of this.#blocks(piece)) if (!this.held.has(block)) missing++
    return missing
  }

  #sourced(piece: number, by: 1 | -1): void {
    this.sources[piece] = (this.sources[piece] ?? 0) + by
  }

  /** What is gone is told of again when it comes again. */
  #takeBack(partner: Partner, piece: number, block: number): void {
    partner.told.delete(block)
    partner.untold.delete(block)
    if (!partner.queue.delete(block)) return
    this.say(partner.id, { type: 'refuse', piece, blocks: maskOf(this.bundle, piece, [block]) })
  }

  *#blocks(piece: number): IterableIterator<number> {
    const { first, count } = this.bundle.blocksOf(piece)
    for (let block = first; block < first + count; block++) yield block
  }

  *#masked(piece: number, mask: BlockMask): IterableIterator<number> {
    for (const block of this.#blocks(piece)) {
      if ((mask & (1 << (block - this.bundle.blocksOf(piece).first))) !== 0) yield block
    }
  }
}

function isSource(bundle: Bundle, partner: Partner, piece: number): boolean {
  if (partner.expects.has(piece)) return true
  const { first, count } = bundle.blocksOf(piece)
  for (let block = first; block < first + count; block++) if (partner.shown.has(block)) return true
  return false
}
