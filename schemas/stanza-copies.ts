/**
 * Where the text of stanzas stands once more: copies that a publisher made of what was left of thin blocks.
 *
 * Places stay what they are everywhere else: this only says where their text is read with less work. The newest copy counts.
 */
import type { Run } from './edit-script.ts'
import { FreshetError } from './errors.ts'
import { GATHERED_STANZAS_MAX, STANZAS_PER_BLOCK_MAX } from './limits.ts'

/** Copies made together: those of the stanzas of `originals`, in this order, fill `blocks`. */
export interface Copies {
  readonly originals: readonly Run[]
  readonly blocks: readonly { readonly block: number; readonly count: number }[]
}

export class StanzaCopies {
  /** Both places as one number. */
  readonly #copies = new Map<number, number>()

  /** @param copies oldest first. @throws FreshetError EVENT_INVALID when they are too many, or not as many as originals. */
  constructor(copies: Iterable<Copies>) {
    for (const made of copies) this.#add(made)
  }

  #add({ originals, blocks }: Copies): void {
    const targets = placesOf(blocks)
    for (const { block, first, count } of originals) {
      if (first + count > STANZAS_PER_BLOCK_MAX) throw invalid(`copies of stanzas that block ${block} cannot have`)
      for (let ordinal = first; ordinal < first + count; ordinal++) {
        const target = targets.next()
        if (target.done === true) throw invalid('fewer copies than originals')
        this.#copies.set(asNumber(block, ordinal), target.value)
      }
      if (this.#copies.size > GATHERED_STANZAS_MAX) throw invalid(`more than ${GATHERED_STANZAS_MAX} copies`)
    }
    if (targets.next().done !== true) throw invalid('more copies than originals')
  }

  /** Where to read stanza `ordinal` of `block`: there, unless it was copied. */
  blockOf(block: number, ordinal: number): number {
    const copy = this.#copies.get(asNumber(block, ordinal))
    return copy === undefined ? block : blockIn(copy)
  }

  /** The same stanzas as `runs`, from where they are best read. */
  through(runs: Iterable<Run>): Run[] {
    const found: Run[] = []
    let [start, count] = [-1, 0] // of the stretch that grows, its first place as one number
    const end = (): void => {
      if (count > 0) found.push({ block: blockIn(start), first: start % STANZAS_PER_BLOCK_MAX, count })
    }
    for (const run of runs) {
      if (run.first + run.count > STANZAS_PER_BLOCK_MAX) throw invalid(`block ${run.block} cannot have its stanzas`)
      const first = asNumber(run.block, run.first)
      for (let origin = first; origin < first + run.count; origin++) {
        const place = this.#copies.get(origin) ?? origin
        // The last stanza of a full block and the first of the next are neighbours as numbers, and no stretch.
        if (count > 0 && place === start + count && place % STANZAS_PER_BLOCK_MAX > 0) count++
        else {
          end()
          ;[start, count] = [place, 1]
        }
      }
    }
    end()
    return found
  }
}

function* placesOf(blocks: Copies['blocks']): Generator<number> {
  for (const { block, count } of blocks) {
    if (count > STANZAS_PER_BLOCK_MAX) throw invalid(`block ${block} with ${count} copies`)
    for (let ordinal = 0; ordinal < count; ordinal++) yield asNumber(block, ordinal)
  }
}

/** Positions in a log stay below 2^39: this is exact. */
function asNumber(block: number, ordinal: number): number {
  return block * STANZAS_PER_BLOCK_MAX + ordinal
}

function blockIn(place: number): number {
  return Math.floor(place / STANZAS_PER_BLOCK_MAX)
}

function invalid(what: string): FreshetError {
  return new FreshetError('EVENT_INVALID', `gathered stanzas: ${what}`)
}
