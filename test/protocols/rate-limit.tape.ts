/** Token buckets on a clock of the test: whatever is asked for, whenever, at whatever rates, the bound holds and is used. */
import fc from 'fast-check'
import test from 'tape'
import { RateLimit } from '../../protocols/rate-limit.ts'
import { LEAF_BYTES, RATE_BURST_MS, RATE_BYTES_PER_S_MIN } from '../../schemas/limits.ts'

const LATE_MS_MAX = 100
const WINDOW_MS = 10_000
const PART_BYTES = 64 * 1024
const TOLERANCE = 1.05

interface Sent {
  readonly atMs: number
  readonly byteLength: number
}

/** Sends parts as soon as it may and looks, for `durationMs`. @param lateMs how late it wakes up, part by part. */
function send(
  limit: RateLimit,
  parts: readonly number[],
  lateMs: readonly number[],
  fromMs: number,
  durationMs: number,
): Sent[] {
  const sent: Sent[] = []
  let nowMs = fromMs
  for (let i = 0; nowMs < fromMs + durationMs; i++) {
    const byteLength = parts[i % parts.length] ?? 1
    const delayMs = limit.delayMs(byteLength, nowMs)
    nowMs += delayMs + (delayMs > 0 ? (lateMs[i % lateMs.length] ?? 0) : 0)
    if (limit.delayMs(byteLength, nowMs) > 0) throw new Error('it may not go when it was said that it may')
    limit.spend(byteLength, nowMs)
    sent.push({ atMs: nowMs, byteLength })
  }
  return sent
}

function mostInWindow(sent: readonly Sent[]): number {
  let most = 0
  let bytes = 0
  let first = 0
  for (const { atMs, byteLength } of sent) {
    bytes += byteLength
    for (; (sent[first]?.atMs ?? atMs) <= atMs - WINDOW_MS; first++) bytes -= sent[first]?.byteLength ?? 0
    most = Math.max(most, bytes)
  }
  return most
}

const totalOf = (sent: readonly Sent[]): number => sent.reduce((sum, { byteLength }) => sum + byteLength, 0)

test('rate limit: parts within the bucket, woken late or not → in any 10 s at most 105 % of the rate', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2 * PART_BYTES, max: 20_000_000 }),
      fc.array(fc.integer({ min: 8_000, max: PART_BYTES }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.nat({ max: 2_000 }), { minLength: 1, maxLength: 10 }),
      (rate, parts, lateMs) => {
        const sent = send(new RateLimit(rate), parts, lateMs, 1_000, 25_000)
        return mostInWindow(sent) <= ((rate * WINDOW_MS) / 1000) * TOLERANCE
      },
    ),
    { numRuns: 100 },
  )
  t.pass('100 rates')
  t.end()
})

test('rate limit: always something to send, woken up to 100 ms late → at least 95 % of the rate', (t) => {
  // The bucket must have room for what comes in while nobody wakes up, beside the part that is waited for.
  const rateMin = Math.ceil(PART_BYTES / ((RATE_BURST_MS - LATE_MS_MAX) / 1000))
  fc.assert(
    fc.property(
      fc.integer({ min: rateMin, max: 20_000_000 }),
      fc.array(fc.nat({ max: LATE_MS_MAX }), { minLength: 1, maxLength: 10 }),
      (rate, lateMs) => {
        const sent = send(new RateLimit(rate), [PART_BYTES], lateMs, 0, 120_000)
        return totalOf(sent) >= (0.95 * rate * 120_000) / 1000
      },
    ),
    { numRuns: 100 },
  )
  t.pass('100 rates')
  t.end()
})

test('rate limit: blocks larger than the bucket → in any 10 s at most 105 % of the lowest caps', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: RATE_BYTES_PER_S_MIN, max: 4 * LEAF_BYTES }),
      fc.array(fc.nat({ max: 2_000 }), { minLength: 1, maxLength: 10 }),
      (rate, lateMs) => {
        const sent = send(new RateLimit(rate), [LEAF_BYTES], lateMs, 1_000, 60_000)
        return mostInWindow(sent) <= ((rate * WINDOW_MS) / 1000) * TOLERANCE
      },
    ),
    { numRuns: 300 },
  )
  t.pass('300 rates')
  t.end()
})

test('rate limit: parts larger than the bucket → nearly the rate, whatever fits into a window', (t) => {
  for (const part of [LEAF_BYTES, PART_BYTES]) {
    for (const rate of [RATE_BYTES_PER_S_MIN, 20_000, 50_000]) {
      const sent = send(new RateLimit(rate), [part], [0], 0, 300_000)
      t.ok(totalOf(sent) <= rate * 300 + 2 * PART_BYTES, `${rate} bytes a second`)
      const fit = Math.floor((rate * 10 * TOLERANCE) / part)
      t.ok(totalOf(sent) >= Math.min(rate, (fit * part) / 10) * 300 * 0.97, 'and hardly less')
    }
  }
  t.end()
})

test('rate limit: changed while it is in use → the new rate from then on, and no burst', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 2 * PART_BYTES, max: 5_000_000 }), { minLength: 2, maxLength: 5 }),
      (rates) => {
        const limit = new RateLimit(null)
        return rates.every((rate, i) => {
          const fromMs = i * 100_000
          limit.setRate(rate, fromMs)
          const bytes = totalOf(
            send(limit, [PART_BYTES], [0], fromMs, WINDOW_MS).filter(({ atMs }) => atMs <= fromMs + WINDOW_MS),
          )
          return bytes <= rate * 10 * TOLERANCE && bytes >= rate * 10 * 0.95 - PART_BYTES
        })
      },
    ),
    { numRuns: 100 },
  )
  const limit = new RateLimit(1_000_000)
  limit.spend(1_000_000, 0)
  t.equal(limit.delayMs(500_000, 0), 1000, 'a debt of 500,000 and 500,000 to come')
  limit.setRate(10_000_000, 0)
  t.equal(limit.delayMs(500_000, 0), 100, 'raised: waited off faster')
  limit.setRate(null, 0)
  t.equal(limit.delayMs(1e12, 0), 0, 'no bound')
  limit.spend(1e12, 0)
  limit.setRate(1_000_000, 0)
  t.equal(limit.delayMs(100_000, 0), 100, 'what went without a bound is no debt, and no credit')
  t.end()
})

test('rate limit: a clock that goes back or leaps → nothing gained but a full bucket', (t) => {
  const limit = new RateLimit(100_000)
  limit.spend(50_000, 10_000)
  t.equal(limit.delayMs(50_000, 5_000), 500)
  t.equal(limit.delayMs(50_000, 10_000), 500)
  t.equal(limit.delayMs(50_000, 1e12), 0)
  limit.spend(50_000, 1e12)
  t.equal(limit.delayMs(1, 1e12) > 0, true)
  t.end()
})
