/** What the line of one peer (exchange-line.ts) is given: by the node whose bundles it is about, and by whoever made the connection. */
import type { BundlePlace } from '../schemas/bundle-files.ts'
import type { FreshetError } from '../schemas/errors.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { Source } from './fetch-tally.ts'
import type { SharedBundle } from './shared-bundle.ts'

/** Names a bundle among all. */
export interface LoggedPlace extends BundlePlace {
  readonly discoveryKey: Buffer
}

/** What a line needs of the node (exchanges.ts), and of whoever made the connection. */
export interface LineHost {
  readonly now: () => number
  /** A bundle of this node by its place; null: it is of no use to anybody. */
  find(discoveryKey: Buffer, place: BundlePlace): SharedBundle | Promise<SharedBundle | null>
  placeOf(bundle: SharedBundle): LoggedPlace
  /** Something may be sent now that could not be before. */
  wake(): void
  /** Word came of bytes that had waited so long. */
  acked(byteLength: number, waitedMs: number): void
}

export interface LineOptions {
  readonly id: number
  readonly key: KeyHex
  readonly source: Source
  readonly mayReceive: () => boolean
  readonly onSent: (byteLength: number) => void
  readonly onCame: (byteLength: number) => void
  readonly onBlame: (error: FreshetError) => void
  readonly onClose: () => void
}

/** Whether both name one bundle. */
export function isSamePlace({ discoveryKey, block, part }: LoggedPlace, place: LoggedPlace): boolean {
  return block === place.block && part === place.part && discoveryKey.equals(place.discoveryKey)
}
