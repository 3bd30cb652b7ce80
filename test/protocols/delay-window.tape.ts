/** The window on a virtual clock: one word for each round. */
import test from 'tape'
import { BASE_DELAY_MS } from '../../schemas/limits.ts'
import { BaseDelay, DelayWindow } from '../../protocols/delay-window.ts'

const OPTIONS = { targetMs: 60, startBytes: 100_000, leastBytes: 32_768, mostBytes: 1_000_000 }
const ROUND_MS = 100

function run(rounds: number, waitedMs: number, isFull: boolean): DelayWindow {
  const window = new DelayWindow(OPTIONS)
  for (let round = 0; round <= rounds; round++) {
    if (isFull) window.full()
    window.acked(window.bytes, waitedMs, round * ROUND_MS)
  }
  return window
}

test('a window that is full and meets no queue grows, to its bound', (t) => {
  t.ok(run(1, 0, true).bytes > OPTIONS.startBytes)
  t.equal(run(100, 0, true).bytes, OPTIONS.mostBytes)
  t.end()
})

test('a window that nothing had to wait for stays as it is', (t) => {
  t.equal(run(100, 0, false).bytes, OPTIONS.startBytes)
  t.end()
})

test('a window in front of a long queue shrinks, full or not, to its bound', (t) => {
  for (const isFull of [true, false]) {
    t.ok(run(1, 500, isFull).bytes < OPTIONS.startBytes)
    t.equal(run(100, 500, isFull).bytes, OPTIONS.leastBytes)
  }
  t.end()
})

test('the least wait of a round tells: one late block says nothing', (t) => {
  const window = new DelayWindow(OPTIONS)
  for (let ms = 0; ms <= 1000; ms += 10) window.acked(1000, ms % 50 === 0 ? 0 : 500, ms)
  t.equal(window.bytes, OPTIONS.startBytes)
  t.end()
})

test('a wait is what is above the least delay; clocks that do not agree do not matter, and a new route is learned', (t) => {
  const base = new BaseDelay()
  t.equal(base.waited(-5_000, 0), 0)
  t.equal(base.waited(-4_960, 10), 40)
  t.equal(base.waited(-4_900, BASE_DELAY_MS), 100, 'the span before counts, too')
  t.equal(base.waited(-4_900, 2 * BASE_DELAY_MS), 0, 'and is forgotten after that')
  t.end()
})
