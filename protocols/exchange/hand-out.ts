/**
 * How an origin spends about one copy: a piece that few have is handed to one peer alone, who passes it on to all.
 *
 * An origin that offers everything to everybody is asked for the same blocks again and again while others have never left it (BitTorrent's
 * super-seeding, BEP 16, mends that, and stalls when it waits for each piece to spread). Here the next piece goes to whoever has
 * least left to pass on, at the speed of the origin's line: so peers get pieces in proportion to what they can upload, as in Mutualcast (Li,
 * Chou, Zhang 2005). Who keeps to itself what it is handed gets no more for a while: a peer may have as many pieces that nobody else has
 * seen as it has passed on before, and one. What does not spread is handed to another, and then offered to all.
 * Only the origin of the content does this: whoever has it later shows it to everybody.
 */
import {
  HANDED_AHEAD_BLOCKS,
  HANDED_ANSWER_MS,
  HANDED_IDLE_MS,
  HANDED_LOST_MS,
  HANDED_PASS_MS_MAX,
  HANDED_PAUSE_MS,
  HANDED_STUCK_MS,
  HANDED_TRIES_MAX,
  HAVE_DELAY_MS,
  RARE_COPIES_MAX,
  STALLED_PAUSE_MS_MAX,
} from '../../schemas/limits.ts'
import type { ExchangeView } from './exchange-view.ts'
import type { Partner } from './partner.ts'

/** Part of all takers' blocks that is enough: from then on the rest may ask the origin as well. */
const SPREAD_ENOUGH = 0.95
/** Weight of the newest in the average of how long takers need to pass something on, and the multiple of it that is too long. */
const PASS_WEIGHT = 0.25
const PASS_FACTOR = 3

interface Handed {
  readonly partner: Partner
  readonly count: number
  /** Blocks of it that the partner was not sent yet. */
  unsent: number
  /** Blocks of it that takers have, counted once for each taker. */
  spread: number
  /** Whether another than the partner has any of it. */
  isPassedOn: boolean
  /** When the first block of it was sent. */
  sentAtMs: number
  /** When it was handed out, sent or last spread. */
  movedAtMs: number
}

/** What one taker has been handed. */
interface Load {
  /** Blocks that it was not sent yet. */
  unsent: number
  /** Blocks that it is to pass on, and how many takers have them, counted once for each. */
  blocks: number
  spread: number
  /** Pieces that nobody else has seen, and those that somebody has. */
  kept: number
  passedOn: number
  /** Until when it is handed nothing, and how often in a row it has kept a piece to itself. */
  pausedUntilMs: number
  failures: number
  /** How often in a row it has not asked for what it was handed. */
  ignored: number
  /** Whether it ever did not ask for what it was handed, or kept it to itself. */
  hasFailed: boolean
}

const NO_LOAD: Load = {
  unsent: 0,
  blocks: 0,
  spread: 0,
  kept: 0,
  passedOn: 0,
  pausedUntilMs: Number.NEGATIVE_INFINITY,
  failures: 0,
  ignored: 0,
  hasFailed: false,
}

export class HandOut {
  readonly #exchange: ExchangeView
  /** Held pieces that are told of to nobody but the one they are handed to. */
  readonly #hidden = new Set<number>()
  /** Those of them that are handed to nobody now. */
  readonly #waiting = new Set<number>()
  readonly #handed = new Map<number, Handed>()
  /** How often a piece was handed out in vain. */
  readonly #tries = new Map<number, number>()
  readonly #loads = new Map<Partner, Load>()
  /** Takers that have said they have something: only they count where a piece is to reach everybody. */
  readonly #taking = new Set<Partner>()
  #aloneSinceMs: number | null = null
  /** From the first block that is sent of a piece to somebody else's having it: about what those take who pass on. */
  #passMs = 0
  /** Pieces that one taker has passed on, of the one with most. */
  #passedOnMost = 0
  /** When anything was last sent to who has not kept a piece to itself. */
  #busyAtMs = Number.NEGATIVE_INFINITY
  #idleMs = HANDED_IDLE_MS
  /** When something handed out was last sent to who has not kept a piece to itself. */
  #sentAtMs = Number.NEGATIVE_INFINITY
  /** When a block was last handed out, sent or spread. */
  #movedAtMs = Number.NEGATIVE_INFINITY

  constructor(exchange: ExchangeView, isOrigin: boolean) {
    this.#exchange = exchange
    if (!isOrigin) return
    const { bundle, held } = exchange
    for (let piece = 0; piece < bundle.pieces; piece++) {
      const { first, count } = bundle.blocksOf(piece)
      let here = 0
      for (let block = first; block < first + count; block++) if (held.has(block)) here++
      if (here < count) continue
      this.#hidden.add(piece)
      this.#waiting.add(piece)
    }
  }

  mayTell(piece: number): boolean {
    return !this.#hidden.has(piece)
  }

  joined(partner: Partner, nowMs: number): void {
    const { bundle, held, sources } = this.#exchange
    if (partner.wantsMore && !this.#loads.has(partner)) this.#loads.set(partner, { ...NO_LOAD })
    this.#aloneSinceMs = this.#loads.size === 1 ? nowMs : null
    const enough = Math.max(RARE_COPIES_MAX, this.#loads.size)
    for (const piece of [...this.#hidden]) if ((sources[piece] ?? 0) >= enough) this.#offer(piece)
    for (const block of held) if (this.mayTell(bundle.pieceOf(block))) this.#exchange.tell(partner, [block])
    // Whoever takes nothing may know of everything.
    if (!partner.wantsMore) this.#exchange.tell(partner, held)
  }

  left(partner: Partner): void {
    this.#forget(partner)
    for (const [piece, handed] of [...this.#handed]) if (handed.partner === partner) this.#takeBack(piece, handed)
  }

  isHandedTo(partner: Partner, piece: number): boolean {
    return this.#handed.get(piece)?.partner === partner
  }

  /** `partner` says it has these now. */
  spread(partner: Partner, blocks: readonly number[], nowMs: number): void {
    if (this.#hidden.size === 0) return
    const { bundle } = this.#exchange
    this.#taking.add(partner)
    const enough = SPREAD_ENOUGH * this.#takers()
    for (const block of blocks) {
      const piece = bundle.pieceOf(block)
      const handed = this.#handed.get(piece)
      if (handed === undefined) continue
      handed.spread++
      handed.movedAtMs = this.#movedAtMs = nowMs
      const load = this.#loads.get(handed.partner)
      if (load !== undefined) load.spread++
      if (partner !== handed.partner) handed.partner.passedOnBytes += bundle.blockBytes(block)
      if (load !== undefined && !handed.isPassedOn && (partner !== handed.partner || this.#loads.size === 1)) {
        handed.isPassedOn = true
        this.#passMs += PASS_WEIGHT * (nowMs - handed.sentAtMs - this.#passMs)
        load.kept--
        this.#passedOnMost = Math.max(this.#passedOnMost, ++load.passedOn)
        load.failures = 0
        load.ignored = 0
      }
      if (handed.spread >= enough * handed.count) this.#offer(piece)
    }
    if (!partner.wantsMore) this.#forget(partner)
  }

  /** Those who take what they are handed, as far as is known. */
  #takers(): number {
    let takers = 0
    for (const [partner, { hasFailed }] of this.#loads) if (!hasFailed || this.#taking.has(partner)) takers++
    return takers
  }

  sent(partner: Partner, block: number, nowMs: number): void {
    const load = this.#loads.get(partner)
    if (load !== undefined && load.failures === 0) this.#busyAtMs = nowMs
    // What else it waits for may stand before what it was handed.
    if (load !== undefined && load.unsent > 0 && load.failures === 0) this.#movedAtMs = this.#sentAtMs = nowMs
    const handed = this.#handed.get(this.#exchange.bundle.pieceOf(block))
    if (handed === undefined || handed.partner !== partner || handed.unsent === 0) return
    if (handed.unsent === handed.count) handed.sentAtMs = nowMs
    handed.unsent--
    handed.movedAtMs = this.#movedAtMs = nowMs
    if (load !== undefined) load.unsent--
  }

  /** Hands out what can be, and offers what is stuck. */
  step(nowMs: number): void {
    if (this.#hidden.size === 0) return
    for (;;) {
      const partner = this.#readiest(nowMs)
      const piece = partner === null ? null : this.#unhanded(partner)
      if (partner === null || piece === null) break
      this.#hand(partner, piece, nowMs)
    }
    this.#unstick(nowMs)
  }

  /** Who has least left to pass on, of those that want something and have room for one more. */
  #readiest(nowMs: number): Partner | null {
    if (this.#waiting.size === 0) return null
    let readiest: Partner | null = null
    let least = Number.POSITIVE_INFINITY
    for (const [partner, load] of this.#loads) {
      if (load.unsent >= HANDED_AHEAD_BLOCKS) continue
      const isAlone = this.#loads.size === 1
      if (!isAlone && (load.kept > load.passedOn || nowMs < load.pausedUntilMs)) continue
      const left = load.blocks * this.#taking.size - load.spread
      if (left >= least || this.#unhanded(partner) === null) continue
      readiest = partner
      least = left
    }
    return readiest
  }

  #unhanded(partner: Partner): number | null {
    const passedOn = this.#loads.get(partner)?.passedOn ?? 0
    const isProven = this.#loads.size === 1 || passedOn >= Math.max(1, this.#passedOnMost / 2)
    for (const piece of this.#waiting) {
      // What one kept to itself goes to who passes on more than most.
      if (!isProven && this.#tries.has(piece)) continue
      if (partner.wants.has(piece) && !this.#isShown(partner, piece)) return piece
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
    this.#waiting.delete(piece)
    this.#movedAtMs = nowMs
    this.#handed.set(piece, {
      partner,
      count,
      unsent: count,
      spread: 0,
      isPassedOn: false,
      sentAtMs: nowMs,
      movedAtMs: nowMs,
    })
    const load = this.#loads.get(partner)
    if (load !== undefined) {
      load.unsent += count
      load.blocks += count
      load.kept++
    }
    this.#exchange.say(partner.id, { type: 'hand', piece })
  }

  #unstick(nowMs: number): void {
    const soleTaker = this.#aloneSinceMs !== null && this.#loads.size === 1
    if (soleTaker && nowMs - (this.#aloneSinceMs ?? nowMs) >= HANDED_STUCK_MS) {
      for (const piece of [...this.#hidden]) this.#offer(piece)
    }
    const isQuiet = this.#waiting.size === 0 && nowMs - this.#sentAtMs >= HANDED_STUCK_MS
    for (const [piece, handed] of [...this.#handed]) {
      if (this.#isDeclined(handed, piece, nowMs)) this.#declined(piece, handed, nowMs)
      else if (isKept(handed, nowMs, Math.min(HANDED_PASS_MS_MAX, PASS_FACTOR * this.#passMs)))
        this.#keptToItself(piece, handed, nowMs)
      else if (nowMs - handed.movedAtMs >= (isQuiet ? stuckMs(handed) : HANDED_LOST_MS)) this.#retry(piece, handed)
    }
    if (this.#waiting.size === 0 && nowMs - this.#busyAtMs >= this.#idleMs) this.#help(nowMs)
    // Nobody may be handed more: whoever wants it may have it.
    const [next] = this.#waiting
    if (
      next !== undefined &&
      this.#loads.size > 0 &&
      nowMs - this.#movedAtMs >= HANDED_STUCK_MS &&
      this.#readiest(nowMs) === null
    ) {
      this.#movedAtMs = nowMs
      this.#offer(next)
    }
  }

  /** Our line is idle while takers are not: what has spread least is offered to all. */
  #help(nowMs: number): void {
    let least: number | null = null
    let spread = Number.POSITIVE_INFINITY
    for (const [piece, handed] of this.#handed) {
      if (!handed.isPassedOn || handed.spread / handed.count >= spread) continue
      least = piece
      spread = handed.spread / handed.count
    }
    if (least === null) return
    this.#busyAtMs = nowMs
    // The longer it takes, the more is our line needed.
    this.#idleMs = Math.max(HAVE_DELAY_MS, this.#idleMs / 2)
    this.#offer(least)
  }

  /** Whether the peer waits for nothing of what it was handed, though there is something left: it has it, gets it elsewhere, or does not want it. */
  #isDeclined({ partner, unsent, movedAtMs }: Handed, piece: number, nowMs: number): boolean {
    if (unsent === 0 || nowMs - movedAtMs < HANDED_ANSWER_MS + 2 * partner.roundTripMs) return false
    const { first, count } = this.#exchange.bundle.blocksOf(piece)
    for (let block = first; block < first + count; block++) if (partner.queue.has(block)) return false
    return true
  }

  #declined(piece: number, handed: Handed, nowMs: number): void {
    if (handed.unsent === handed.count && !handed.isPassedOn) return this.#ignored(piece, handed, nowMs)
    const load = this.#loads.get(handed.partner)
    if (load !== undefined) load.unsent -= handed.unsent
    handed.unsent = 0
  }

  #ignored(piece: number, handed: Handed, nowMs: number): void {
    const load = this.#loads.get(handed.partner)
    if (load !== undefined) {
      load.kept--
      load.hasFailed = true
      const pauseMs = Math.min(STALLED_PAUSE_MS_MAX, HANDED_ANSWER_MS * 2 ** load.ignored++)
      load.pausedUntilMs = Math.max(load.pausedUntilMs, nowMs + pauseMs)
    }
    this.#takeBack(piece, handed)
  }

  #keptToItself(piece: number, handed: Handed, nowMs: number): void {
    const load = this.#loads.get(handed.partner)
    if (load !== undefined) {
      load.kept--
      load.hasFailed = true
      load.pausedUntilMs = nowMs + Math.min(STALLED_PAUSE_MS_MAX, HANDED_PAUSE_MS * 2 ** load.failures++)
    }
    this.#retry(piece, handed)
  }

  /** Another is handed the piece; when that was in vain a few times, all may have it. */
  #retry(piece: number, handed: Handed): void {
    const tries = (this.#tries.get(piece) ?? 0) + 1
    this.#tries.set(piece, tries)
    if (tries >= HANDED_TRIES_MAX) this.#offer(piece)
    else this.#takeBack(piece, handed)
  }

  #takeBack(piece: number, handed: Handed): void {
    this.#unload(handed)
    this.#handed.delete(piece)
    if (this.#hidden.has(piece)) this.#waiting.add(piece)
  }

  #unload(handed: Handed): void {
    const load = this.#loads.get(handed.partner)
    if (load === undefined) return
    load.unsent -= handed.unsent
    load.blocks -= handed.count
    load.spread -= handed.spread
  }

  #forget(partner: Partner): void {
    this.#loads.delete(partner)
    this.#taking.delete(partner)
  }

  /** Tells everybody who wants it and has not got it. */
  #offer(piece: number): void {
    const { bundle, partners } = this.#exchange
    this.#hidden.delete(piece)
    this.#waiting.delete(piece)
    const handed = this.#handed.get(piece)
    if (handed !== undefined) this.#unload(handed)
    this.#handed.delete(piece)
    const { first, count } = bundle.blocksOf(piece)
    for (const partner of partners.values()) {
      if (!partner.wants.has(piece)) continue
      for (let block = first; block < first + count; block++) {
        if (!partner.shown.has(block)) this.#exchange.tell(partner, [block])
      }
    }
  }
}

/** A piece that came no further for so long is stuck: far peers have longer, for it has to reach one and be told of by another. */
function stuckMs({ partner }: Handed): number {
  return HANDED_STUCK_MS + 3 * partner.roundTripMs
}

/** Whether the peer got a part of it long ago, and nobody has it from there. */
function isKept(handed: Handed, nowMs: number, graceMs: number): boolean {
  return !handed.isPassedOn && handed.unsent < handed.count && nowMs - handed.sentAtMs >= stuckMs(handed) + graceMs
}
