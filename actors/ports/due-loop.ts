/**
 * Does one thing after the other: each step says how long until the next, and may be woken before that.
 *
 * Looks again at least once in a while, as other clocks here do: timers stop while a machine sleeps, and clocks are set.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { FRESHNESS_LOOK_MS_MAX } from '../../schemas/limits.ts'

/** Waits; what aborts `signal` ends it early. */
export type Rest = (ms: number, signal: AbortSignal) => Promise<void>

export const restForReal: Rest = async (ms, signal) => {
  await pause(ms, undefined, { signal }).catch(() => {}) // woken
}

export interface DueLoopOptions {
  /** @returns milliseconds until the next step; null: when woken. */
  readonly step: (signal: AbortSignal) => Promise<number | null>
  readonly rest: Rest
  /** A step threw: the loop has ended. */
  readonly onDefect: (error: unknown) => void
}

export class DueLoop {
  readonly #options: DueLoopOptions
  readonly #closed = new AbortController()
  #woken = new AbortController()
  readonly #running: Promise<void>

  constructor(options: DueLoopOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Something has changed that a step may act on. */
  wake(): void {
    this.#woken.abort()
  }

  /** Resolves when the step under way has ended. */
  async close(): Promise<void> {
    this.#closed.abort()
    this.#woken.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { step, rest, onDefect } = this.#options
    const { signal } = this.#closed
    try {
      while (!signal.aborted) {
        this.#woken = new AbortController() // what wakes during the step makes for one more
        const woken = this.#woken.signal
        const ms = await step(signal)
        if (ms === 0 || signal.aborted) continue
        await rest(Math.min(ms ?? FRESHNESS_LOOK_MS_MAX, FRESHNESS_LOOK_MS_MAX), woken)
      }
    } catch (error) {
      if (!signal.aborted) onDefect(error)
    }
  }
}
