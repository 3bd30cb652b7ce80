/** What the policies of an exchange see of it: they decide, and it owns. */
import type { Bundle } from '../../schemas/bundle.ts'
import type { NumberSet } from '../../schemas/number-set.ts'
import type { ExchangeWord } from './exchange-words.ts'
import type { Partner } from './partner.ts'

export interface ExchangeView {
  readonly bundle: Bundle
  /** Blocks that are here and checked. */
  readonly held: NumberSet
  /** Pieces that are wanted, held or not. */
  readonly wanted: NumberSet
  readonly partners: ReadonlyMap<number, Partner>
  /** Peers that show a piece or expect it, by piece. */
  readonly sources: Uint16Array
  readonly say: (peer: number, word: ExchangeWord) => void
  /** From 0 to below 1. */
  readonly random: () => number
  /** Whether so many bytes may be asked for now; they are taken to be asked for then. */
  readonly mayAsk: (byteLength: number) => boolean
  /** Tells one peer, in company, of blocks that it was not told of. */
  tell(partner: Partner, blocks: Iterable<number>): void
  /** A peer does not have `blocks` of a piece after all, nor is it getting the piece. */
  withdraw(partner: Partner, piece: number, blocks: Iterable<number>): void
}
