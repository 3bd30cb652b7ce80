/**
 * Who waits for which piece: readers that stream an artifact while it arrives.
 *
 * Owns no deadline: every waiter brings its own signal. Bounded; the bound refuses, it does not queue.
 */
import { FreshetError } from '../schemas/errors.ts'
import { PIECE_WAITERS_MAX } from '../schemas/limits.ts'

interface Waiter {
  readonly index: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class PieceWaiters {
  readonly #waiters = new Set<Waiter>()

  /** @throws the signal's reason when aborted, REQUEST_REFUSED when too many wait, else what `fail` is given. */
  wait(index: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      if (this.#waiters.size >= PIECE_WAITERS_MAX) {
        return reject(
          new FreshetError('REQUEST_REFUSED', `${PIECE_WAITERS_MAX} readers wait for this artifact already`),
        )
      }
      const onAbort = (): void => waiter.reject(signal.reason)
      const leave = (): void => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        index,
        resolve: () => {
          leave()
          resolve()
        },
        reject: (reason) => {
          leave()
          reject(reason)
        },
      }
      signal.addEventListener('abort', onAbort)
      this.#waiters.add(waiter)
    })
  }

  /** The first piece that anybody waits for; null: nobody waits. */
  get first(): number | null {
    let first: number | null = null
    for (const { index } of this.#waiters) if (first === null || index < first) first = index
    return first
  }

  wake(index: number): void {
    for (const waiter of this.#waiters) if (waiter.index === index) waiter.resolve()
  }

  wakeAll(): void {
    for (const waiter of this.#waiters) waiter.resolve()
  }

  fail(reason: FreshetError): void {
    for (const waiter of this.#waiters) waiter.reject(reason)
  }
}
