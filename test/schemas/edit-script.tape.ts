import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import test from 'tape'
import {
  applyScript,
  asBase,
  diffSequences,
  type EditOp,
  onBase,
  pushRun,
  type Run,
  type SequenceOp,
  stanzaCount,
} from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'

const BASE: Run[] = [
  { block: 1, first: 0, count: 10 },
  { block: 2, first: 5, count: 3 },
]

function rebuilt(before: Int32Array, after: Int32Array, ops: readonly SequenceOp[]): number[] {
  const out: number[] = []
  let at = 0
  for (const op of ops) {
    if (op.op === 'insert') out.push(...after.subarray(op.first, op.first + op.count))
    else {
      if (op.op === 'keep') out.push(...before.subarray(at, at + op.count))
      at += op.count
    }
  }
  if (at !== before.length) throw new Error(`the script consumes ${at} of ${before.length}`)
  return out
}

/** Length of the longest common subsequence by the quadratic textbook table. */
function commonLength(before: Int32Array, after: Int32Array): number {
  let row = Array.from({ length: after.length + 1 }, () => 0)
  for (const item of before) {
    const next = [0]
    for (let j = 0; j < after.length; j++) {
      next.push(item === after[j] ? (row[j] ?? 0) + 1 : Math.max(row[j + 1] ?? 0, next[j] ?? 0))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

function keptCount(ops: readonly SequenceOp[]): number {
  return ops.reduce((sum, op) => sum + (op.op === 'keep' ? op.count : 0), 0)
}

test('edit script: keep, drop and insert → the next runs', (t) => {
  const script: EditOp[] = [
    { op: 'keep', count: 4 },
    { op: 'drop', count: 2 },
    { op: 'insert', block: 7, first: 0, count: 2 },
    { op: 'insert', block: 7, first: 2, count: 1 },
    { op: 'keep', count: 5 },
    { op: 'drop', count: 2 },
  ]
  t.deepEqual(applyScript(BASE, script), [
    { block: 1, first: 0, count: 4 },
    { block: 7, first: 0, count: 3 },
    { block: 1, first: 6, count: 4 },
    { block: 2, first: 5, count: 1 },
  ])
  t.end()
})

test('edit script: what was cut apart comes together again → one run', (t) => {
  const cut = applyScript(BASE, [
    { op: 'keep', count: 4 },
    { op: 'insert', block: 9, first: 0, count: 1 },
    { op: 'keep', count: 9 },
  ])
  t.equal(cut.length, 4)
  const whole = applyScript(cut, [
    { op: 'keep', count: 4 },
    { op: 'drop', count: 1 },
    { op: 'keep', count: 9 },
  ])
  t.deepEqual(whole, BASE)
  t.deepEqual(applyScript([], []), [])
  t.equal(stanzaCount(cut), 14)
  t.end()
})

test('edit script: one that does not fit its base or breaks a bound → EVENT_INVALID', (t) => {
  const cases: [string, EditOp[]][] = [
    ['nothing', []],
    ['too little', [{ op: 'keep', count: 12 }]],
    ['a run short', [{ op: 'drop', count: 10 }]],
    ['too much', [{ op: 'keep', count: 14 }]],
    ['far too much', [{ op: 'drop', count: Number.MAX_SAFE_INTEGER }]],
    [
      'more after the end',
      [
        { op: 'keep', count: 13 },
        { op: 'drop', count: 1 },
      ],
    ],
    [
      'a count of 0',
      [
        { op: 'keep', count: 13 },
        { op: 'insert', block: 1, first: 0, count: 0 },
      ],
    ],
    [
      'a negative count',
      [
        { op: 'keep', count: -1 },
        { op: 'keep', count: 14 },
      ],
    ],
    [
      'a broken count',
      [
        { op: 'keep', count: 12.5 },
        { op: 'keep', count: 0.5 },
      ],
    ],
    ['a count that is no number', [{ op: 'keep', count: NaN }]],
    [
      'a negative block',
      [
        { op: 'keep', count: 13 },
        { op: 'insert', block: -1, first: 0, count: 1 },
      ],
    ],
    [
      'a negative first',
      [
        { op: 'keep', count: 13 },
        { op: 'insert', block: 1, first: -1, count: 1 },
      ],
    ],
    [
      'a huge insert',
      [
        { op: 'keep', count: 13 },
        { op: 'insert', block: 1, first: 0, count: 2_000_000 },
      ],
    ],
    ['many operations', Array.from({ length: 1_000_001 }, () => ({ op: 'insert', block: 1, first: 0, count: 1 }))],
  ]
  for (const [title, script] of cases) {
    try {
      applyScript(BASE, script)
      t.fail(title)
    } catch (error) {
      t.ok(error instanceof FreshetError && error.code === 'EVENT_INVALID', `${title}: ${String(error)}`)
    }
  }
  t.end()
})

/** A script that fits `total` stanzas, from numbers at random. */
function scriptFor(total: number, numbers: readonly number[]): EditOp[] {
  const script: EditOp[] = []
  let left = total
  for (const number of numbers) {
    const count = 1 + (number % 4)
    if (number % 3 === 0) script.push({ op: 'insert', block: 1 + (number % 5), first: number % 7, count })
    else if (count <= left) {
      script.push({ op: number % 3 === 1 ? 'keep' : 'drop', count })
      left -= count
    }
  }
  return left > 0 ? [...script, { op: 'keep', count: left }] : script
}

test('edit script: scripts applied to a stand-in for the base, then the base put in → as one after the other', (t) => {
  const run = fc.record({
    block: fc.integer({ min: 1, max: 5 }),
    first: fc.nat({ max: 9 }),
    count: fc.integer({ min: 1, max: 9 }),
  })
  const scripts = fc.array(fc.array(fc.nat({ max: 1000 }), { maxLength: 12 }), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), scripts, (given, numbers) => {
      const base: Run[] = []
      for (const { block, first, count } of given) pushRun(base, block, first, count)
      let [direct, edited] = [base, asBase(stanzaCount(base))]
      for (const each of numbers) {
        const script = scriptFor(stanzaCount(direct), each)
        direct = applyScript(direct, script)
        edited = applyScript(edited, script)
      }
      return isDeepStrictEqual(onBase(base, edited), direct)
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 chains')
  t.end()
})

test('edit script: known sequences → known operations', (t) => {
  const of = (text: string): Int32Array => Int32Array.from(text, (letter) => letter.charCodeAt(0))
  const ops = (before: string, after: string): SequenceOp[] => diffSequences(of(before), of(after))
  t.deepEqual(ops('', ''), [])
  t.deepEqual(ops('abc', 'abc'), [{ op: 'keep', count: 3 }])
  t.deepEqual(ops('', 'abc'), [{ op: 'insert', first: 0, count: 3 }])
  t.deepEqual(ops('abc', ''), [{ op: 'drop', count: 3 }])
  t.deepEqual(ops('abcde', 'abXde'), [
    { op: 'keep', count: 2 },
    { op: 'drop', count: 1 },
    { op: 'insert', first: 2, count: 1 },
    { op: 'keep', count: 2 },
  ])
  t.deepEqual(
    ops('abcdef', 'bcdeaf'),
    [
      { op: 'drop', count: 1 },
      { op: 'keep', count: 4 },
      { op: 'insert', first: 4, count: 1 },
      { op: 'keep', count: 1 },
    ],
    'what has moved is dropped and inserted',
  )
  t.deepEqual(ops('aaa', 'aa'), [
    { op: 'keep', count: 2 },
    { op: 'drop', count: 1 },
  ])
  t.end()
})

test('edit script: any two sequences, with repeats → the script rebuilds the second', (t) => {
  const sequence = fc.array(fc.nat({ max: 12 }), { maxLength: 30 }).map((items) => Int32Array.from(items))
  fc.assert(
    fc.property(sequence, sequence, (before, after) => {
      const ops = diffSequences(before, after)
      const alternates = ops.every((op, index) => op.op !== ops[index - 1]?.op && op.count > 0)
      return alternates && rebuilt(before, after, ops).join() === [...after].join()
    }),
    { numRuns: 3000 },
  )
  t.pass('and no two neighbours of a kind')
  t.end()
})

test('edit script: sequences without repeats → as short as the quadratic table says', (t) => {
  const sequence = fc.uniqueArray(fc.nat({ max: 30 }), { maxLength: 25 }).map((items) => Int32Array.from(items))
  fc.assert(
    fc.property(sequence, sequence, (before, after) => {
      return keptCount(diffSequences(before, after)) === commonLength(before, after)
    }),
    { numRuns: 2000 },
  )
  t.pass('for 2000 pairs')
  t.end()
})

test('edit script: 100,000 items wholly reversed → done at once', (t) => {
  const before = Int32Array.from({ length: 100_000 }, (_, index) => index)
  const ops = diffSequences(before, before.toReversed())
  t.equal(keptCount(ops), 1, 'a quadratic way would take minutes')
  t.end()
})
