/** Does something with each of many items, a few at a time, in order of their beginning. */
import { FreshetError } from '../schemas/errors.ts'

/**
 * Resolves when all are done. After the first failure, or once `signal` aborts, nothing new begins; what runs is waited for.
 * @throws the first failure; FreshetError INTERRUPTED.
 */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnceMax: number,
  signal: AbortSignal,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (const item of waiting) {
      if (failures.length > 0 || signal.aborted) return
      await run(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the command was interrupted')
}
