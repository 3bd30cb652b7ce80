/** Seeded chance, so that a failing run can be run again: CRASH_SEED. xorshift32. */
import { randomInt } from 'node:crypto'

export class Chance {
  readonly seed: number
  #state: number

  constructor(seed = Number(process.env['CRASH_SEED'] ?? randomInt(1, 2 ** 31))) {
    this.seed = seed
    this.#state = seed
  }

  /** In [0, 1). */
  fraction(): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) / 2 ** 32
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }
}

/** Rounds of a loop: CRASH_ROUNDS, for the long runs. */
export function rounds(usual: number): number {
  return Number(process.env['CRASH_ROUNDS'] ?? usual)
}
