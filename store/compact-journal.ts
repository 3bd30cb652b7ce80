/**
 * Compaction of the journal: the facts that still matter are written anew behind a `journal.compacted`, then all before it are
 * removed.
 *
 * One append, which is on disk whole or not at all; then the removal. A crash between the two leaves facts that a reader drops
 * when it comes to `journal.compacted`. Blocks are removed, their numbers are not used again: a reader looks for the first
 * block that is present.
 */
import type Hypercore from 'hypercore'
import { encodeFact } from '../schemas/journal.ts'
import type { Fact } from '../schemas/journal.ts'
import type { Store } from './open-store.ts'

/** `facts` stand for everything that `core` holds. Nobody may append meanwhile. */
export async function compactJournal(
  store: Store,
  core: Hypercore,
  facts: readonly Fact[],
  atMs: number,
): Promise<void> {
  const end = core.length
  const mark: Fact = { type: 'journal.compacted', factsBefore: end - (await firstPresent(core)), atMs }
  await store.guard(core.append([mark, ...facts].map(encodeFact)))
  await store.guard(core.clear(0, end))
}

/** What is removed is always the beginning, so this is a binary search. */
export async function firstPresent(core: Hypercore): Promise<number> {
  let low = 0
  let high = core.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (await core.has(middle)) high = middle
    else low = middle + 1
  }
  return low
}
