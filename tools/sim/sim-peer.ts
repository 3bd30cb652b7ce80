/** A node as the world of the simulator sees it, and the honest kind: the real exchange, and what its driver does on the network. */
import type { Bundle } from '../../schemas/bundle.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import type { ExchangeWord } from '../../protocols/exchange/exchange-words.ts'
import type { Exchange, Upload } from '../../protocols/exchange/exchange.ts'
import type { Opening } from '../../protocols/exchange/partner.ts'

/** What became of a block: kept, of no use (here already, or not asked for), or wrong: its sender is to be dropped. */
export type Verdict = 'kept' | 'useless' | 'wrong'

export interface SimPeer {
  readonly isHonest: boolean
  readonly isComplete: boolean
  /** How it begins to talk. */
  opening(): Pick<Opening, 'held' | 'wanted'>
  peers(): Iterable<number>
  knows(peer: number): boolean
  join(peer: number, opening: Opening, nowMs: number): void
  leave(peer: number, nowMs: number): void
  hear(peer: number, word: ExchangeWord, nowMs: number): void
  tick(nowMs: number): void
  nextUpload(): Upload | null
  /** @param isRight whether the bytes are what they should be. */
  take(from: number, block: number, isRight: boolean, nowMs: number): Verdict
}

export class HonestPeer implements SimPeer {
  readonly isHonest = true
  readonly exchange: Exchange
  readonly #bundle: Bundle
  /** Pieces that are checked whole, and what is here of them. */
  readonly #parts = new Map<number, { readonly blocks: Set<number>; isRight: boolean }>()

  constructor(exchange: Exchange) {
    this.exchange = exchange
    this.#bundle = exchange.bundle
  }

  get isComplete(): boolean {
    return this.exchange.complete
  }

  /** What it has is told afterwards: an origin hides it. */
  opening(): Pick<Opening, 'held' | 'wanted'> {
    return { held: new NumberSet(this.#bundle.blocks), wanted: this.exchange.wanted }
  }

  peers(): Iterable<number> {
    return this.exchange.partners.keys()
  }

  knows(peer: number): boolean {
    return this.exchange.partners.has(peer)
  }

  join(peer: number, opening: Opening, nowMs: number): void {
    this.exchange.join(peer, opening, nowMs)
  }

  leave(peer: number, nowMs: number): void {
    this.exchange.leave(peer, nowMs)
  }

  hear(peer: number, word: ExchangeWord, nowMs: number): void {
    this.exchange.hear(peer, word, nowMs)
  }

  tick(nowMs: number): void {
    this.exchange.tick(nowMs)
  }

  nextUpload(): Upload | null {
    return this.exchange.nextUpload(() => true)
  }

  take(from: number, block: number, isRight: boolean, nowMs: number): Verdict {
    const { exchange } = this
    if (!this.knows(from)) return 'useless'
    exchange.arrived(from, block, nowMs)
    if (exchange.held.has(block)) return 'useless'
    const piece = this.#bundle.pieceOf(block)
    const checked = this.#bundle.checksBlocks(piece)
      ? { blocks: [block], isRight }
      : this.#gathered(piece, block, isRight)
    if (checked === null) return 'kept'
    if (checked.isRight) {
      exchange.keep(checked.blocks, nowMs)
      return 'kept'
    }
    // The liar goes first: else what it spoilt would be asked of it again.
    exchange.leave(from, nowMs)
    exchange.lose(checked.blocks, nowMs)
    return 'wrong'
  }

  /** All of a piece that can be checked only whole, when it is. */
  #gathered(piece: number, block: number, isRight: boolean): { blocks: Iterable<number>; isRight: boolean } | null {
    const here = this.#parts.get(piece) ?? { blocks: new Set<number>(), isRight: true }
    here.blocks.add(block)
    here.isRight &&= isRight
    this.#parts.set(piece, here)
    if (here.blocks.size < this.#bundle.blocksOf(piece).count) return null
    this.#parts.delete(piece)
    return here
  }
}
