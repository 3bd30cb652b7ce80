/** A file that nothing but its SHA-256 checks, of which an earlier run has left something wrong. */
import test from 'brittle'
import { connect, fetchInto, logOf, nodeOf, poolWith } from '../helpers/exchange-peers.ts'
import { fixture, withoutRoot } from '../helpers/pool-fixtures.ts'
import { PIECE_BYTES } from '../../schemas/limits.ts'

for (const left of [1, 4]) {
  test(`exchange: ${left} of 4 pieces were left wrong by an earlier run → all of it again, and nobody is blamed`, async (t) => {
    const file = fixture(4 * PIECE_BYTES, 1)
    const log = logOf([[withoutRoot(file)]])
    const pool = await poolWith(t)
    const earlier = await pool.begin(withoutRoot(file))
    for (let piece = 0; piece < left; piece++) await earlier.write(piece, Buffer.alloc(PIECE_BYTES))
    const taker = nodeOf(t, log, pool)
    await connect(t, taker, nodeOf(t, log, await poolWith(t, file)))
    t.is(await (await fetchInto(t, taker, pool, withoutRoot(file))).outcome, 'none')
    t.is(taker.blamed.size, 0)
    await earlier.close()
  })
}
