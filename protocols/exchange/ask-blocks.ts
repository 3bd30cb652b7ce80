/**
 * What to ask of whom: the rarest piece that a peer shows, as much as its line carries, and what a peer expects at once.
 *
 * Owns what is asked and what has come and is being checked. A block is asked of one peer; of a second one when the first
 * stalls, or when the second would bring it much earlier; never of both. A file that can only be checked as
 * a whole comes from one peer at a time, so that whoever spoils it is known. What a peer of the local network shows is asked of it, and
 * of others only while it is slow.
 */
import {
  FIRST_EXPECTED_PIECES,
  HEDGE_MS,
  LEAF_BYTES,
  MIRROR_AFTER_MS,
  NEAR_MS,
  PIECE_BYTES,
  STALLED_FACTOR,
  STALLED_MS,
  STALLED_MS_MAX,
} from '../../schemas/limits.ts'
import type { ExchangeView } from './exchange-view.ts'
import { LoneGivers } from './lone-givers.ts'
import { maskOf, type BlockMask } from './exchange-words.ts'
import type { Partner } from './partner.ts'
import { RandomSet } from './random-set.ts'

/** Pieces looked at for one choice: the rarest of so many is rare enough. */
const PIECES_LOOKED_AT = 64
/** Rates are guesses: a block moves to who is expected to bring it in a third of the time. */
const MOVE_FACTOR = 2.5
/** At the end of a file a mirror takes over what it brings in two thirds of the time: nobody else is kept from anything by that. */
const MIRROR_MOVE_FACTOR = 1.5
/** Who has brought nothing yet has so long before its blocks are moved: nobody knows how fast it is. */
const UNKNOWN_RATE_MS = 500
const BLOCKS_A_PIECE = PIECE_BYTES / LEAF_BYTES

export class AskBlocks {
  readonly #exchange: ExchangeView
  /** Wanted pieces with a block that is neither here nor asked for. */
  readonly #open = new RandomSet()
  readonly #asks = new Map<number, Partner>()
  readonly #givers: LoneGivers
  /** Came, and are being checked; from whom, or null where they were here before. */
  readonly #arrived = new Map<number, Partner | null>()
  /** Partners of the local network. */
  readonly #near = new Set<Partner>()
  /** They are taken to be quick until then: what each of them brings is not known before. */
  #nearUntilMs = Number.POSITIVE_INFINITY

  constructor(exchange: ExchangeView) {
    this.#exchange = exchange
    this.#givers = new LoneGivers(exchange.bundle)
    for (const piece of exchange.wanted) this.#reopen(piece)
  }

  /** Whether a block that is not here is asked for or being checked. */
  isComing(block: number): boolean {
    return this.#asks.has(block) || this.#arrived.has(block)
  }

  /** Null: nobody whom it was asked of. */
  senderOf(block: number): Partner | null {
    return this.#arrived.get(block) ?? null
  }

  want(piece: number): void {
    this.#reopen(piece)
  }

  joined(partner: Partner): void {
    if (partner.isNear) this.#near.add(partner)
    const taken = partner.givesLeaves ? null : this.#givers.takenOver(partner)
    if (taken !== null) this.#takeBack(taken.peer, taken.file)
  }

  left(partner: Partner): void {
    this.#near.delete(partner)
    this.release(partner)
  }

  unwant(piece: number): void {
    this.#open.delete(piece)
    for (const partner of this.#exchange.partners.values()) {
      const { first, count } = this.#exchange.bundle.blocksOf(piece)
      const asked = Array.from({ length: count }, (_, i) => first + i).filter((block) => partner.asked.has(block))
      if (asked.length > 0) this.#cancel(partner, piece, asked)
    }
  }

  /** Everything that a peer shows or expects of one piece and that is asked of nobody. @returns whether that was anything. */
  askPiece(partner: Partner, piece: number, nowMs: number, blocksMax = BLOCKS_A_PIECE): boolean {
    if (!this.#exchange.wanted.has(piece) || nowMs < partner.pausedUntilMs) return false
    const blocks = this.#unasked(piece).filter((block) => partner.expects.has(piece) || partner.shown.has(block))
    const { bundle, mayAsk } = this.#exchange
    if (blocks.length === 0 || !this.#givers.mayGive(partner, piece)) return false
    if (blocksMax < blocks.length && bundle.checksBlocks(piece)) blocks.length = blocksMax
    const bytes = blocks.map((block) => bundle.blockBytes(block))
    const parts = bundle.checksBlocks(piece) ? bytes : [bytes.reduce((sum, one) => sum + one, 0)]
    const refused = parts.findIndex((part) => !mayAsk(part)) // a cap may be far below a piece a second
    if (refused >= 0) blocks.length = refused
    this.#ask(partner, piece, blocks, nowMs)
    return blocks.length > 0
  }

  /**
   * A peer hands us a piece: what is asked of those who only expect it is asked of this one instead. @returns whether anything is.
   */
  askHanded(partner: Partner, piece: number, nowMs: number): boolean {
    if (!this.#exchange.wanted.has(piece) || nowMs < partner.pausedUntilMs) return false
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    const promised = new Map<Partner, number[]>()
    for (let block = first; block < first + count; block++) {
      const other = this.#asks.get(block)
      if (other === undefined || other === partner || other.shown.has(block)) continue
      promised.set(other, [...(promised.get(other) ?? []), block])
    }
    for (const [other, blocks] of promised) this.#cancel(other, piece, blocks)
    return this.askPiece(partner, piece, nowMs)
  }

  /** A peer says that it is getting a piece: that is asked of it in advance, as far as it can be believed. */
  askExpected(partner: Partner, piece: number, nowMs: number): void {
    if (partner.delivered > 0 || partner.asked.size < FIRST_EXPECTED_PIECES * BLOCKS_A_PIECE)
      this.askPiece(partner, piece, nowMs)
  }

  /** Asks every peer for as much as it can bring. */
  fill(nowMs: number): void {
    for (const partner of this.#near) this.fillOne(partner, nowMs)
    for (const partner of this.#exchange.partners.values()) if (!partner.isNear) this.fillOne(partner, nowMs)
  }

  fillOne(partner: Partner, nowMs: number): void {
    const window = partner.window(nowMs)
    while (this.#open.size > 0 && partner.askedBytes < window) {
      const piece = this.#next(partner, nowMs)
      if (piece === null || !this.askPiece(partner, piece, nowMs, blocksMax(partner, window - partner.askedBytes)))
        return
    }
  }

  /** `partner` says that it has `block` now. */
  shown(partner: Partner, block: number): void {
    if (partner.asked.has(block)) partner.askedBytes += this.#exchange.bundle.blockBytes(block)
  }

  /** @returns whether it was asked of `partner`. */
  arrived(partner: Partner, block: number, nowMs: number): boolean {
    if (!this.#drop(partner, block)) return false
    if (!this.#exchange.held.has(block)) this.#arrived.set(block, partner)
    this.fillOne(partner, nowMs)
    return true
  }

  came(block: number): void {
    this.#arrived.set(block, null)
    const piece = this.#exchange.bundle.pieceOf(block)
    if (this.#unasked(piece).length === 0) this.#open.delete(piece)
  }

  kept(block: number, nowMs: number): void {
    const sender = this.#arrived.get(block) ?? null
    this.#arrived.delete(block)
    if (sender !== null) this.#delivered(sender, nowMs)
    const piece = this.#exchange.bundle.pieceOf(block)
    const partner = this.#asks.get(block)
    if (partner !== undefined) this.#cancel(partner, piece, [block])
    if (this.#open.has(piece) && this.#unasked(piece).length === 0) this.#open.delete(piece)
  }

  #delivered(partner: Partner, nowMs: number): void {
    partner.hasFailed = false
    if (partner.delivered++ > 0) return
    for (const piece of partner.expects) this.askPiece(partner, piece, nowMs)
    this.fillOne(partner, nowMs)
  }

  lost(block: number): void {
    const { bundle } = this.#exchange
    const piece = bundle.pieceOf(block)
    this.#arrived.delete(block)
    this.#givers.lost(piece)
    this.#reopen(piece)
  }

  /** Some of `file` was wrong, and more than one may have sent it. */
  distrust(file: number): void {
    this.#givers.distrust(file)
  }

  refused(partner: Partner, piece: number, mask: BlockMask, nowMs: number): void {
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    const blocks = Array.from({ length: count }, (_, i) => first + i).filter((_, i) => (mask & (1 << i)) !== 0)
    for (const block of blocks) this.#unask(partner, block)
    this.#exchange.withdraw(partner, piece, blocks)
    this.fill(nowMs)
  }

  /** A peer left, or stalls: its blocks are asked of others. */
  release(partner: Partner): void {
    this.#givers.released(partner)
    for (const block of [...partner.asked]) this.#unask(partner, block)
  }

  tick(nowMs: number): void {
    const stalledMs = this.#stalledMs(nowMs)
    for (const partner of this.#exchange.partners.values()) {
      if (partner.asked.size > 0 && nowMs - partner.lastArrivalMs >= stalledMs + partner.roundTripMs)
        this.#stalled(partner, nowMs)
    }
    this.fill(nowMs)
    this.#move(nowMs)
  }

  /** A few times what those who bring something take between two blocks. */
  #stalledMs(nowMs: number): number {
    let asked = 0
    let rate = 0
    for (const partner of this.#exchange.partners.values()) {
      if (partner.asked.size === 0) continue
      asked++
      rate += partner.rate(nowMs)
    }
    const usual = rate === 0 ? 0 : (asked * LEAF_BYTES * 1000) / rate
    return Math.min(STALLED_MS_MAX, Math.max(STALLED_MS, STALLED_FACTOR * usual))
  }

  #stalled(partner: Partner, nowMs: number): void {
    const masks = new Map<number, number[]>()
    for (const block of partner.asked) {
      const piece = this.#exchange.bundle.pieceOf(block)
      masks.set(piece, [...(masks.get(piece) ?? []), block])
    }
    // Who waits for a piece itself has not failed; who shows it and does not send it has.
    if (partner.askedBytes > 0) partner.stalled(nowMs)
    else partner.lastArrivalMs = nowMs
    this.release(partner)
    for (const [piece, blocks] of masks) {
      this.#exchange.withdraw(partner, piece, [])
      this.#exchange.say(partner.id, { type: 'cancel', piece, blocks: maskOf(this.#exchange.bundle, piece, blocks) })
    }
  }

  /**
   * Moves blocks to who brings them much earlier: that is how a piece that was handed to a slow peer spreads through those
   * that have it already.
   */
  #move(nowMs: number): void {
    const { bundle } = this.#exchange
    // Not to who has sent nothing since a block was moved away from it: else a block would go round among such peers, and none of them would stall.
    const idle = [...this.#exchange.partners.values()].filter(
      (partner) => !partner.hasFailed && partner.askedBytes < partner.window(nowMs),
    )
    const unknownMs = idle.some(({ givesLeaves }) => !givesLeaves) ? MIRROR_AFTER_MS : UNKNOWN_RATE_MS
    for (const [block, slow] of [...this.#asks]) {
      if (idle.length === 0) return
      if (this.#asks.get(block) !== slow) continue // moved with its piece
      if (slow.isNear && this.#isQuick(slow, nowMs)) continue
      if (slow.delivered === 0 && nowMs - slow.lastArrivalMs < unknownMs) continue
      const slowMs = slow.etaMs(nowMs)
      // What moves as a whole is asked for again as a whole: the time of one more block is the least that it takes.
      const more = bundle.checksBlocks(bundle.pieceOf(block)) ? 0 : 1
      const quicker = idle.find(
        (partner) => partner.shown.has(block) && partner.etaMs(nowMs, more) < this.#worthMs(partner, slowMs),
      )
      if (quicker === undefined || quicker === slow) continue
      const piece = bundle.pieceOf(block)
      if (bundle.checksBlocks(piece) && !this.#givers.mayGive(quicker, piece)) continue
      const blocks = bundle.checksBlocks(piece) ? [block] : this.#askedWhole(slow, piece)
      if (blocks.length === 0) continue
      this.#cancel(slow, piece, blocks)
      slow.hasFailed = true
      this.#ask(quicker, piece, blocks, nowMs)
      if (quicker.askedBytes >= quicker.window(nowMs)) idle.splice(idle.indexOf(quicker), 1)
    }
  }

  /** So soon a block must be here from `other` that it is moved from who brings it in `slowMs`. */
  #worthMs(other: Partner, slowMs: number): number {
    const isEnd = this.#open.size === 0
    return isEnd && !other.givesLeaves ? slowMs / MIRROR_MOVE_FACTOR : slowMs / MOVE_FACTOR - HEDGE_MS
  }

  /** All blocks of a piece that is a whole file, unless some have come already. */
  #askedWhole(partner: Partner, piece: number): number[] {
    const { bundle } = this.#exchange
    if (bundle.piecesOf(bundle.fileOf(piece)).count > 1) return []
    const { first, count } = bundle.blocksOf(piece)
    const blocks = Array.from({ length: count }, (_, index) => first + index)
    return blocks.every((block) => partner.asked.has(block)) ? blocks : []
  }

  /** What somebody waits for, else the rarest. */
  #next(partner: Partner, nowMs: number): number | null {
    const nearer = partner.isNear ? [] : [...this.#near].filter((near) => this.#isQuick(near, nowMs))
    const mayAsk = (piece: number): boolean =>
      this.#canGive(partner, piece) && !nearer.some((near) => this.#canGive(near, piece))
    return this.#exchange.urgent().find((piece) => this.#open.has(piece) && mayAsk(piece)) ?? this.#rarest(mayAsk)
  }

  /** Whether a block asked of it now would be here soon. */
  #isQuick(near: Partner, nowMs: number): boolean {
    if (near.hasFailed || nowMs < near.pausedUntilMs) return false
    // Once for all of them: peers under ever new keys must not be waited for again and again.
    return nowMs < this.#nearUntilMs || (near.delivered > 0 && near.etaMs(nowMs) < NEAR_MS)
  }

  #rarest(mayAsk: (piece: number) => boolean): number | null {
    const { sources, random } = this.#exchange
    let rarest: number | null = null
    let least = Number.POSITIVE_INFINITY
    for (const piece of this.#open.sample(PIECES_LOOKED_AT, random)) {
      const rarity = sources[piece] ?? 0
      if (rarity >= least || rarity === 0) continue
      if (!mayAsk(piece)) continue
      rarest = piece
      least = rarity
    }
    return rarest
  }

  /** Whether it shows something of a piece that is asked of nobody. */
  #canGive(partner: Partner, piece: number): boolean {
    const { bundle } = this.#exchange
    const unasked = this.#unasked(piece)
    const shown = unasked.filter((block) => partner.shown.has(block)).length
    // A file that is checked as a whole is had whole or not at all.
    if (shown === 0 || (!bundle.checksBlocks(piece) && shown < unasked.length)) return false
    return this.#givers.mayGive(partner, piece)
  }

  /** What is asked of it of one file is asked of somebody else. */
  #takeBack(partner: Partner, file: number): void {
    const { bundle, say } = this.#exchange
    for (const piece of bundle.pieceNumbersOf(file)) {
      const asked = bundle.blockNumbersOf(piece).filter((block) => partner.asked.has(block))
      for (const block of asked) this.#unask(partner, block)
      if (asked.length > 0) say(partner.id, { type: 'cancel', piece, blocks: maskOf(bundle, piece, asked) })
    }
  }

  #ask(partner: Partner, piece: number, blocks: readonly number[], nowMs: number): void {
    if (blocks.length === 0) return
    const { bundle } = this.#exchange
    if (partner.asked.size === 0) partner.lastArrivalMs = nowMs
    if (partner.isNear) this.#nearUntilMs = Math.min(this.#nearUntilMs, nowMs + NEAR_MS)
    this.#givers.asked(partner, piece)
    for (const block of blocks) {
      partner.asked.add(block)
      if (partner.shown.has(block)) partner.askedBytes += bundle.blockBytes(block)
      this.#asks.set(block, partner)
    }
    if (this.#unasked(piece).length === 0) this.#open.delete(piece)
    this.#exchange.say(partner.id, { type: 'ask', piece, blocks: maskOf(bundle, piece, blocks) })
  }

  /** Takes back one ask; the block is asked of somebody else when nobody else brings it. */
  #unask(partner: Partner, block: number): void {
    if (!this.#drop(partner, block)) return
    const { bundle, held } = this.#exchange
    const piece = bundle.pieceOf(block)
    if (!bundle.checksBlocks(piece)) {
      const { first, count } = bundle.blocksOf(piece)
      for (let part = first; part < first + count; part++) if (!held.has(part)) this.#arrived.delete(part)
    }
    this.#reopen(piece)
  }

  #cancel(partner: Partner, piece: number, blocks: readonly number[]): void {
    for (const block of blocks) this.#drop(partner, block)
    this.#exchange.say(partner.id, { type: 'cancel', piece, blocks: maskOf(this.#exchange.bundle, piece, blocks) })
  }

  #drop(partner: Partner, block: number): boolean {
    if (!partner.asked.delete(block)) return false
    if (partner.shown.has(block)) partner.askedBytes -= this.#exchange.bundle.blockBytes(block)
    this.#asks.delete(block)
    return true
  }

  #reopen(piece: number): void {
    if (this.#exchange.wanted.has(piece) && this.#unasked(piece).length > 0) this.#open.add(piece)
  }

  #unasked(piece: number): number[] {
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    const blocks: number[] = []
    for (let block = first; block < first + count; block++) {
      if (!this.#exchange.held.has(block) && !this.isComing(block)) blocks.push(block)
    }
    return blocks
  }
}

/** Of one piece at once: all of it, but of a stranger no more than its window, where blocks tell by themselves whether they are right. */
function blocksMax({ delivered, givesLeaves }: Partner, roomBytes: number): number {
  return delivered > 0 || !givesLeaves ? BLOCKS_A_PIECE : Math.ceil(roomBytes / LEAF_BYTES)
}
