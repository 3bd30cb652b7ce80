/**
 * What peers say to each other about one bundle, besides the blocks themselves.
 *
 *   taker                                      holder
 *   │── open { held, wanted } ───────────────▶│  both ways, first of all
 *   │── want { pieces } ─────────────────────▶│  more than it said when it opened
 *   │◀─ have { blocks } ──────────────────────│  in company, every HAVE_DELAY_MS or more
 *   │◀─ hand { piece } ───────────────────────│  "I have it, and tell you alone": pass it on
 *   │── expect { piece } ────────────────────▶│  to all others at once: "I am being handed this, ask me"
 *   │── ask { piece, blocks } ───────────────▶│  what the holder has, or expects: sent when it comes
 *   │── cancel { piece, blocks } ────────────▶│
 *   │◀─ refuse { piece, blocks } ─────────────│  what is not had after all
 */
import type { Bundle } from '../../schemas/bundle.ts'

/** Bit i is block i of the piece: a piece has at most sixteen. */
export type BlockMask = number

/** Once both have opened. */
export type ExchangeWord =
  | { readonly type: 'want'; readonly pieces: readonly number[] }
  | { readonly type: 'have'; readonly blocks: readonly number[] }
  | { readonly type: 'hand'; readonly piece: number }
  | { readonly type: 'expect'; readonly piece: number }
  | { readonly type: 'ask'; readonly piece: number; readonly blocks: BlockMask }
  | { readonly type: 'cancel'; readonly piece: number; readonly blocks: BlockMask }
  | { readonly type: 'refuse'; readonly piece: number; readonly blocks: BlockMask }

/** All of `blocks` are of `piece`. */
export function maskOf(bundle: Bundle, piece: number, blocks: Iterable<number>): BlockMask {
  const { first } = bundle.blocksOf(piece)
  let mask = 0
  for (const block of blocks) mask |= 1 << (block - first)
  return mask
}
