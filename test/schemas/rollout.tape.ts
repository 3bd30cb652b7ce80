import { createHash } from 'node:crypto'
import test from 'tape'
import { afterNote, isPartial, parseShare, percentOf, rolloutPlace, SHARE_WHOLE } from '../../schemas/rollout.ts'
import { refusalOf } from '../helpers/refusal.ts'

const CHANNEL = Buffer.alloc(32, 1)
const nodeKey = (i: number): Buffer => createHash('sha256').update(`node ${i}`).digest()

test('rollout: place of a node → the formula that is written down, for ever', (t) => {
  const number = Buffer.from('0000000000000102', 'hex')
  const hashed = Buffer.concat([Buffer.from('freshet rollout'), CHANNEL, number, nodeKey(7)])
  const bits = BigInt(`0x${createHash('sha256').update(hashed).digest('hex').slice(0, 8)}`)
  t.equal(rolloutPlace(CHANNEL, 258, nodeKey(7)), Number((bits * 10_000n) >> 32n))
  t.equal(rolloutPlace(CHANNEL, 258, nodeKey(7)), 2_289, 'golden: nodes of every version must agree')
  t.end()
})

test('rollout: 10,000 nodes → each share has as many of them as it says, to four standard deviations', (t) => {
  const places = Array.from({ length: 10_000 }, (_, i) => rolloutPlace(CHANNEL, 3, nodeKey(i)))
  for (const share of [1, 100, 1_000, 2_500, 5_000, 9_900, SHARE_WHOLE]) {
    const inShare = places.filter((place) => place < share).length
    const [p, n] = [share / SHARE_WHOLE, places.length]
    const bound = 4 * Math.sqrt(n * p * (1 - p)) + 1
    t.ok(Math.abs(inShare - n * p) <= bound, `${percentOf(share)} %: ${inShare} of ${n}`)
  }
  // Chi-square over a hundred equal parts, 99 degrees of freedom: above 149 once in a thousand times.
  const counts = Array.from({ length: 100 }, () => 0)
  for (const place of places) counts[Math.floor(place / 100)]! += 1
  const chiSquare = counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)
  t.ok(chiSquare < 149, `chi-square ${chiSquare.toFixed(1)}`)
  t.end()
})

test('rollout: another release, another channel → other nodes are first', (t) => {
  const firstOf = (channel: Buffer, release: number): Set<number> =>
    new Set(
      Array.from({ length: 10_000 }, (_, i) => i).filter((i) => rolloutPlace(channel, release, nodeKey(i)) < 1_000),
    )
  const here = firstOf(CHANNEL, 3)
  for (const other of [firstOf(CHANNEL, 4), firstOf(Buffer.alloc(32, 2), 3)]) {
    const both = [...here].filter((i) => other.has(i)).length
    t.ok(both > 60 && both < 140, `${both} of ${here.size} are first in both: as many as by chance`)
  }
  t.end()
})

test('rollout: shares as people write them → hundredths of a percent, or USAGE', (t) => {
  const good: [string, number][] = [
    ['10%', 1_000],
    ['10', 1_000],
    ['0.01%', 1],
    ['12.5 %', 1_250],
    ['100%', 10_000],
    ['99.99', 9_999],
  ]
  for (const [given, share] of good) t.equal(parseShare(given), share, given)
  for (const given of ['0', '0%', '0.00%', '101%', '100.01', '-1', '1e1', '', '10%%', 'ten', '0.001%', ' 10']) {
    t.equal(
      refusalOf(() => parseShare(given)),
      'USAGE',
      JSON.stringify(given),
    )
  }
  t.end()
})

test('rollout: what is said later → a share that shrinks is not believed, a halt and its end are', (t) => {
  const said = (share: number, halted: string | null = null) => ({ number: 3, share, halted })
  t.deepEqual(afterNote(undefined, said(10)), said(10))
  t.deepEqual(afterNote(said(100), said(10)), said(100))
  t.deepEqual(afterNote(said(100), said(200, 'breaks')), said(200, 'breaks'))
  t.deepEqual(afterNote(said(200, 'breaks'), said(200)), said(200))
  t.deepEqual([said(10), said(SHARE_WHOLE), said(SHARE_WHOLE, 'x')].map(isPartial), [true, false, true])
  t.end()
})
