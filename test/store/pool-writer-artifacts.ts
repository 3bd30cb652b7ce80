/** What test/store/pool-writer.ts writes and the crash test expects. */
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { fixture, type Fixture } from '../helpers/pool-fixtures.ts'

const LARGE_BYTES = 150 * PIECE_BYTES - 1000

const LARGE = { layered: fixture(LARGE_BYTES, 1), bare: fixture(LARGE_BYTES, 2) }

export function large(which: 'layered' | 'bare'): Fixture {
  return LARGE[which]
}

export function small(seed: number): Fixture {
  return fixture(1000 + (seed % 50_000), seed + 3)
}
