/** Who blocks of a bundle come from and go to, as the bundle sees it: a peer (exchange-line.ts) or a mirror (mirror-line.ts). */
import type { FreshetError } from '../schemas/errors.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { ExchangeWord } from './exchange/exchange-words.ts'
import type { Source } from './fetch-tally.ts'
import type { SharedBundle } from './shared-bundle.ts'

export interface BundleLine {
  /** The peer of the exchange; no two lines have one number. */
  readonly id: number
  /** Of the peer; of a mirror, what stands for its URL. */
  readonly key: KeyHex
  readonly source: Source
  readonly roundTripMs: number
  /** Whether our own policy lets it have anything at the moment. */
  mayReceive(): boolean
  /** @param withLeaves of an ask: the hashes of the blocks are to come first. */
  say(bundle: SharedBundle, word: ExchangeWord, withLeaves: boolean): void
  askLayer(bundle: SharedBundle, file: number, first: number, count: number): void
  /** @param layer of the pieces asked for; null: it is not to be had here. */
  sayLayer(bundle: SharedBundle, file: number, first: number, layer: Buffer | null): void
  /** It sent what is proved to be wrong. */
  blame(error: FreshetError): void
}
