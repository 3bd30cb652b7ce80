import test from 'tape'
import { PIECE_BYTES, SERVED_PIECES_BYTES } from '../../schemas/limits.ts'
import { ServedPieces } from '../../protocols/served-pieces.ts'
import { fixture } from '../helpers/pool-fixtures.ts'

const { artifact } = fixture(1, 1)
const PIECE = Buffer.alloc(PIECE_BYTES)
const KEPT = SERVED_PIECES_BYTES / PIECE_BYTES

test('more than fits → the piece that nobody asked for the longest goes', (t) => {
  const served = new ServedPieces()
  for (let index = 0; index < KEPT; index++) served.put(artifact.digest, index, PIECE)
  t.ok(served.get(artifact.digest, 0))
  served.put(artifact.digest, KEPT, PIECE)
  t.ok(served.get(artifact.digest, 0), 'it was asked for')
  t.equal(served.get(artifact.digest, 1), null)
  t.ok(served.get(artifact.digest, KEPT))
  t.end()
})

test('several ask at once → it is read once; a failure is told to all and not kept', async (t) => {
  const served = new ServedPieces()
  let reads = 0
  const read = async (): Promise<Buffer> => (reads++, PIECE)
  const pieces = await Promise.all([1, 2, 3].map(() => served.load(artifact.digest, 0, read)))
  t.same([reads, new Set(pieces).size], [1, 1])
  const failing = (): Promise<Buffer> => Promise.reject(new Error('bad sector'))
  const outcomes = await Promise.allSettled([1, 2].map(() => served.load(artifact.digest, 1, failing)))
  t.ok(outcomes.every(({ status }) => status === 'rejected'))
  t.ok(await served.load(artifact.digest, 1, read))
})
