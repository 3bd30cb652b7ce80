/**
 * How an origin spends about one copy: a piece that few have is handed to one peer alone, who passes it on to all.
 *
 * An origin that offers everything to everybody is asked for the same blocks again and again while others have never left it (BitTorrent's
 * super-seeding, BEP 16, mends that, and stalls when it waits for each piece to spread). Here the next piece goes to whoever has
 * least left to pass on, at the speed of the origin's line: so peers get pieces in proportion to what they can upload, as in Mutualcast (Li,
 * Chou, Zhang 2005). What does not spread is offered to all.
 * Only the origin of the content does this: whoever has it later shows it to everybody.
 */
import { HANDED_AHEAD_BLOCKS, HANDED_STUCK_MS, RARE_COPIES_MAX } from '../../schemas/limits.ts'
import type { ExchangeView } from './exchange-view.ts'
import type { Partner } from './partner.ts'

interface Handed {
  readonly partner: Partner
  /** Blocks of it that the partner was not sent yet. */
  unsent: number
  /** Blocks of it that takers have, counted once for each taker. */
  spread: number
  /** Those that the partner was to pass on and are not with their takers yet: its part of the load. */
  left: number
  spreadAtMs: number
}

export class HandOut {
  readonly #exchange: ExchangeView
  /** Held pieces that are told of to nobody but the one they are handed to. */
  readonly #hidden = new Set<number>()
  readonly #handed = new Map<number, Handed>()
  readonly #loads = new Map<Partner, { unsent: number; blocks: number }>()
  #aloneSinceMs: number | null = null

  constructor(exchange: ExchangeView, isOrigin: boolean) {
    this.#exchange = exchange
    if (!isOrigin) return
    const { bundle, held } = exchange
    for (let piece = 0; piece < bundle.pieces; piece++) {
      const { first, count } = bundle.blocksOf(piece)
      let here = 0
      for (let block = first; block < first + count; block++) if (held.has(block)) here++
      if (here === count) this.#hidden.add(piece)
    }
  }

  mayTell(piece: number): boolean {
    return !this.#hidden.has(piece)
  }

  joined(partner: Partner, nowMs: number): void {
    const { bundle, held, sources } = this.#exchange
    if (partner.wantsMore && !this.#loads.has(partner)) this.#loads.set(partner, { unsent: 0, blocks: 0 })
    this.#aloneSinceMs = this.#loads.size === 1 ? nowMs : null
    for (const piece of [...this.#hidden]) if ((sources[piece] ?? 0) >= RARE_COPIES_MAX) this.#offer(piece)
    for (const block of held) if (this.mayTell(bundle.pieceOf(block))) this.#exchange.tell(partner, [block])
    // Whoever takes nothing may know of everything.
    if (!partner.wantsMore) this.#exchange.tell(partner, held)
  }

  left(partner: Partner): void {
    this.#loads.delete(partner)
    for (const [piece, handed] of [...this.#handed]) if (handed.partner === partner) this.#handed.delete(piece)
  }

  /** `partner` says it has these now. */
  spread(partner: Partner, blocks: readonly number[], nowMs: number): void {
    if (this.#hidden.size === 0) return
    const { bundle } = this.#exchange
    for (const block of blocks) {
      const piece = bundle.pieceOf(block)
      const handed = this.#handed.get(piece)
      if (handed === undefined) continue
      handed.spread++
      handed.spreadAtMs = nowMs
      const load = this.#loads.get(handed.partner)
      if (load !== undefined && handed.left > 0) load.blocks--
      handed.left = Math.max(0, handed.left - 1)
      if (handed.spread * 2 >= this.#loads.size * bundle.blocksOf(piece).count) this.#offer(piece)
    }
    if (!partner.wantsMore) this.#loads.delete(partner)
  }

  sent(partner: Partner, block: number): void {
    const handed = this.#handed.get(this.#exchange.bundle.pieceOf(block))
    if (handed === undefined || handed.partner !== partner || handed.unsent === 0) return
    handed.unsent--
    const load = this.#loads.get(partner)
    if (load !== undefined) load.unsent--
  }

  /** Hands out what can be, and offers what is stuck. */
  step(nowMs: number): void {
    if (this.#hidden.size === 0) return
    for (;;) {
      const partner = this.#readiest()
      const piece = partner === null ? null : this.#unhanded(partner)
      if (partner === null || piece === null) break
      this.#hand(partner, piece, nowMs)
    }
    this.#offerStuck(nowMs)
  }

  /** Who has least left to pass on, of those that want something and have room for one more. */
  #readiest(): Partner | null {
    let readiest: Partner | null = null
    let least = Number.POSITIVE_INFINITY
    for (const [partner, { unsent, blocks }] of this.#loads) {
      if (unsent >= HANDED_AHEAD_BLOCKS || blocks >= least || this.#unhanded(partner) === null) continue
      readiest = partner
      least = blocks
    }
    return readiest
  }

  #unhanded(partner: Partner): number | null {
    for (const piece of this.#hidden) {
      if (this.#handed.has(piece) || !partner.wants.has(piece)) continue
      if (!this.#isShown(partner, piece)) return piece
    }
    return null
  }

  #isShown(partner: Partner, piece: number): boolean {
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    for (let block = first; block < first + count; block++) if (!partner.shown.has(block)) return false
    return true
  }

  #hand(partner: Partner, piece: number, nowMs: number): void {
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    for (let block = first; block < first + count; block++) partner.told.add(block)
    const left = count * this.#loads.size
    this.#handed.set(piece, { partner, unsent: count, spread: 0, left, spreadAtMs: nowMs })
    const load = this.#loads.get(partner)
    if (load !== undefined) {
      load.unsent += count
      load.blocks += left
    }
    this.#exchange.say(partner.id, { type: 'hand', piece })
  }

  #offerStuck(nowMs: number): void {
    const soleTaker = this.#aloneSinceMs !== null && this.#loads.size === 1
    if (soleTaker && nowMs - (this.#aloneSinceMs ?? nowMs) >= HANDED_STUCK_MS) {
      for (const piece of [...this.#hidden]) this.#offer(piece)
    }
    for (const partner of this.#exchange.partners.values()) if (partner.queue.size > 0) return
    for (const [piece, { spreadAtMs }] of this.#handed) {
      if (this.#hidden.has(piece) && nowMs - spreadAtMs >= HANDED_STUCK_MS) this.#offer(piece)
    }
  }

  /** Tells everybody who wants it and has not got it. */
  #offer(piece: number): void {
    const { bundle, partners } = this.#exchange
    this.#hidden.delete(piece)
    const handed = this.#handed.get(piece)
    const load = handed === undefined ? undefined : this.#loads.get(handed.partner)
    const { first, count } = bundle.blocksOf(piece)
    if (handed !== undefined && load !== undefined) {
      load.unsent -= handed.unsent
      load.blocks -= handed.left
    }
    this.#handed.delete(piece)
    for (const partner of partners.values()) {
      if (!partner.wants.has(piece)) continue
      for (let block = first; block < first + count; block++) {
        if (!partner.shown.has(block)) this.#exchange.tell(partner, [block])
      }
    }
  }
}
