/**
 * The process that the crash test kills: fetches two large artifacts piece by piece and completes many small ones.
 *
 * Arguments: directory of the pool, seed of the order. Says on standard output, one line each and only after the call
 * returned: `piece` for a piece written, `whole <seed>` for a small artifact that is complete.
 */
import { writeSync } from 'node:fs'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { Pool } from '../../store/pool.ts'
import { large, small } from './pool-writer-artifacts.ts'
import { withoutRoot } from '../helpers/pool-fixtures.ts'

const [directory = '', seedText = '0'] = process.argv.slice(2)
let state = Number(seedText) + 1
function random(below: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
  return Math.floor((state / 2_147_483_648) * below)
}

const pool = await Pool.open(directory)
const layered = await pool.begin(large('layered').artifact)
await layered.acceptLayer(large('layered').layer)
const bare = await pool.begin(withoutRoot(large('bare')))
for (let turn = 0; turn < 10_000; turn += 1) {
  const index = random(layered.pieces)
  await Promise.all([
    layered.write(index, large('layered').piece(index)),
    bare.write(index, large('bare').piece(index)),
    layered.write(random(layered.pieces), Buffer.alloc(PIECE_BYTES)),
  ])
  writeSync(1, 'piece\n')
  const seed = random(1_000_000)
  const one = await pool.begin(small(seed).artifact)
  await one.write(0, small(seed).bytes)
  await one.complete()
  await one.close()
  writeSync(1, `whole ${seed}\n`)
}
