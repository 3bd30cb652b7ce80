/**
 * Peers that harm: they want everything, pass nothing on that is of use, and promise what they do not keep.
 *
 * liar      shows everything, announces that it expects what it is handed, and sends wrong blocks
 * braggart  shows everything to all but who hands out; refuses every other ask, never answers the rest
 * silent    opens, and says nothing more
 * trickler  shows everything and sends what is right, a byte a second
 * dripper   the same, a block a second: never silent for long, and never of much use
 */
import type { Bundle } from '../../schemas/bundle.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import type { ExchangeWord } from '../../protocols/exchange/exchange-words.ts'
import type { Upload } from '../../protocols/exchange/exchange.ts'
import type { Opening } from '../../protocols/exchange/partner.ts'
import type { SimPeer, Verdict } from './sim-peer.ts'

export const HOSTILE_KINDS = ['liar', 'braggart', 'silent', 'trickler', 'dripper'] as const
export type HostileKind = (typeof HOSTILE_KINDS)[number]

/** Bytes a second that it sends, whatever its line could. */
export const HOSTILE_RATES: Readonly<Partial<Record<HostileKind, number>>> = { trickler: 1, dripper: 16 * 1024 }

export class HostilePeer implements SimPeer {
  readonly isHonest = false
  readonly isComplete = true
  readonly #kind: HostileKind
  readonly #bundle: Bundle
  readonly #say: (peer: number, word: ExchangeWord) => void
  readonly #peers = new Set<number>()
  readonly #asked: Upload[] = []
  #words = 0

  constructor(kind: HostileKind, bundle: Bundle, say: (peer: number, word: ExchangeWord) => void) {
    this.#kind = kind
    this.#bundle = bundle
    this.#say = say
  }

  opening(): Pick<Opening, 'held' | 'wanted'> {
    const isShown = this.#kind === 'liar'
    const held = isShown ? NumberSet.full(this.#bundle.blocks) : new NumberSet(this.#bundle.blocks)
    return { held, wanted: NumberSet.full(this.#bundle.pieces) }
  }

  peers(): Iterable<number> {
    return this.#peers
  }

  knows(peer: number): boolean {
    return this.#peers.has(peer)
  }

  join(peer: number, { wanted }: Opening): void {
    this.#peers.add(peer)
    if (this.#kind === 'silent' || this.#kind === 'liar' || wanted.size === 0) return
    this.#say(peer, { type: 'have', blocks: Array.from({ length: this.#bundle.blocks }, (_, block) => block) })
  }

  leave(peer: number): void {
    this.#peers.delete(peer)
  }

  hear(peer: number, word: ExchangeWord): void {
    if (this.#kind === 'silent') return
    if (word.type === 'have') this.#askFor(peer, word.blocks)
    else if (word.type === 'expect') this.#ask(peer, word.piece)
    else if (word.type === 'ask') this.#heardAsk(peer, word.piece, word.blocks)
    else if (word.type === 'hand') this.#heardHand(peer, word.piece)
  }

  tick(): void {}

  nextUpload(): Upload | null {
    return this.#asked.shift() ?? null
  }

  take(): Verdict {
    return 'useless'
  }

  #heardAsk(peer: number, piece: number, blocks: number): void {
    if (this.#kind === 'braggart') {
      if (this.#words++ % 2 === 0) this.#say(peer, { type: 'refuse', piece, blocks })
      return
    }
    const { first, count } = this.#bundle.blocksOf(piece)
    for (let i = 0; i < count; i++) if ((blocks & (1 << i)) !== 0) this.#asked.push({ peer, block: first + i })
  }

  #heardHand(from: number, piece: number): void {
    this.#ask(from, piece)
    for (const peer of this.#peers) if (peer !== from) this.#say(peer, { type: 'expect', piece })
  }

  #askFor(peer: number, blocks: readonly number[]): void {
    for (const piece of new Set(blocks.map((block) => this.#bundle.pieceOf(block)))) this.#ask(peer, piece)
  }

  #ask(peer: number, piece: number): void {
    this.#say(peer, { type: 'ask', piece, blocks: 2 ** this.#bundle.blocksOf(piece).count - 1 })
  }
}
