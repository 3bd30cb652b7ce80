import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import test from 'tape'
import { encodeRecord, list, struct, uint } from '../../schemas/codec.ts'
import { STANZAS_MAX } from '../../schemas/limits.ts'
import { packRuns, unpackRuns } from '../../schemas/packed-runs.ts'
import { refusalOf } from '../helpers/refusal.ts'

const run = fc
  .tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 16_000 }), fc.integer({ min: 1, max: 9 }))
  .map(([block, first, count]) => ({ block, first, count }))

test('packed runs: any runs → the same again', (t) => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 50 }), (runs) => isDeepStrictEqual(unpackRuns(packRuns(runs)), runs)),
    { numRuns: 500 },
  )
  t.pass('500 lists')
  t.end()
})

test('packed runs: what is left of one block, in order → one byte a step', (t) => {
  const runs = Array.from({ length: 100 }, (_, i) => ({ block: 7, first: 3 * i, count: 1 }))
  t.equal(packRuns(runs).byteLength, 3 + 300)
  t.end()
})

test('packed runs: columns of different lengths, empty runs, negative places, too many stanzas → EVENT_INVALID', (t) => {
  const columns = struct({
    blocks: list(uint, STANZAS_MAX),
    steps: list(uint, STANZAS_MAX),
    counts: list(uint, STANZAS_MAX),
  })
  const refused = (blocks: number[], steps: number[], counts: number[], what: string): void => {
    t.equal(
      refusalOf(() => unpackRuns(encodeRecord(columns, { blocks, steps, counts }))),
      'EVENT_INVALID',
      what,
    )
  }
  refused([1], [], [1], 'a step is missing')
  refused([1], [0], [1, 1], 'a count too many')
  refused([1], [0], [0], 'no stanza')
  refused([1], [1], [1], 'before the first')
  refused([1, 1], [0, 0], [STANZAS_MAX, 1], 'more than STANZAS_MAX')
  t.equal(
    refusalOf(() => unpackRuns(Buffer.from([200]))),
    'EVENT_INVALID',
  )
  t.end()
})
