/** What the benchmark of flash crowds computes: bounds, statistics, rows, sizes of files, torrents. */
import test from 'tape'
import { distributionBoundS, lateBoundS } from './bound.ts'
import { smallSizes } from './files.ts'
import { ENGINE_NAMES, nodesOf, parseChoice, ROWS } from './rows.ts'
import { type Figures, figuresOf, mediansOf, type Measured, percentile } from './statistics.ts'
import { tableOf } from './table.ts'
import { bencode, usualPieceLength } from './torrent.ts'

const MEGABYTE = 1e6 // 8 megabits

test('bound: the uplink of the origin, the slowest downlink, or all uplinks together', (t) => {
  const fast = { up: 100, down: 100 }
  t.equal(distributionBoundS(MEGABYTE, { up: 2, down: 100 }, [fast, fast]), 4, 'the origin')
  t.equal(distributionBoundS(MEGABYTE, fast, [fast, { up: 100, down: 4 }]), 2, 'the slowest')
  const four = Array.from({ length: 4 }, () => ({ up: 1, down: 100 }))
  t.equal(distributionBoundS(MEGABYTE, { up: 4, down: 8 }, four), 4, 'all: 4 · 8 / 8')
  t.end()
})

test('bound: late-comers → their downlinks, or what those who have everything and they send', (t) => {
  const link = { up: 1, down: 4 }
  t.equal(lateBoundS(MEGABYTE, [link, link, link, link], [link]), 2, 'downlink')
  t.equal(lateBoundS(MEGABYTE, [link, link], [link, link]), 4, 'uplinks: 2 · 8 / 4')
  t.end()
})

test('percentile: the smallest value that so many do not exceed', (t) => {
  const values = [4, 1, 3, 2]
  t.equal(percentile(values, 0.5), 2)
  t.equal(percentile(values, 0.51), 3)
  t.equal(percentile(values, 0.99), 4)
  t.ok(Number.isNaN(percentile([], 0.5)), 'of nothing')
  t.end()
})

const MEASURED: Measured = {
  byteLength: 100,
  finishS: [3, 2],
  lateS: [],
  originSent: 150,
  peersSent: [40, 60],
  dropped: 2,
  cpuS: 4,
  switchCpuS: 1,
  idleShare: 0.5,
  peakBytes: 3e6,
}

test('figures: times over the bound, traffic in copies, CPU for what was delivered', (t) => {
  const figures = figuresOf(MEASURED, { crowdS: 2, lateS: null })
  t.deepEqual(figures, {
    lastOverBound: 1.5,
    medianOverBound: 1.25,
    p99OverP50: 1.5,
    originCopies: 1.5,
    largestUploadCopies: 0.6,
    bytesMovedShare: 1.25,
    droppedShare: 0.01,
    cpuSPerGB: 2e7,
    switchCpuSPerGB: 5e6,
    idleShare: 0.5,
    peakMB: 3,
    lateShare: null,
  })
  t.equal(figuresOf({ ...MEASURED, lateS: [5, 8] }, { crowdS: 2, lateS: 4 }).lateShare, 0.5, 'the slower one')
  t.end()
})

test('medians: each figure by itself → what no run has stays away', (t) => {
  const figures = figuresOf(MEASURED, { crowdS: 2, lateS: null })
  const runs: Figures[] = [1, 5, 2].map((lastOverBound, i) => ({ ...figures, lastOverBound, peakMB: i }))
  const { lastOverBound, peakMB, lateShare } = mediansOf(runs)
  t.deepEqual([lastOverBound, peakMB, lateShare], [2, 1, null])
  t.throws(() => mediansOf([]), /no run/)
  t.end()
})

test('rows: chosen by name; everything by default; what is not known is refused with what is', (t) => {
  const choice = parseChoice(['--row', 'loss', '--row', '8', '--engine', 'http', '--repeats', '5', '--json'])
  t.deepEqual(
    choice.rows.map(({ name }) => name),
    ['loss', '8'],
    'in the order of the command line',
  )
  t.deepEqual([choice.engines, choice.repeats, choice.json], [['http'], 5, true])
  t.equal(parseChoice([]).rows.length, ROWS.length)
  t.equal(parseChoice([]).engines.length, ENGINE_NAMES.length)
  t.throws(() => parseChoice(['--row', '9']), /9: no such row .*slow-origin/)
  t.throws(() => parseChoice(['--engine']), /nothing: no such engine .*aria2/)
  t.throws(() => parseChoice(['--repeats', '0']), /--repeats/)
  t.throws(() => parseChoice(['--rows']), /--rows: no such option/)
  t.end()
})

test('rows: links and numbers of nodes', (t) => {
  const row = (name: string) => ROWS.find((one) => one.name === name) ?? t.fail(name)
  const half = row('half-slow')
  t.equal(half?.receivers.filter(({ up }) => up === 4).length, 6)
  const late = nodesOf(row('late')!)
  t.deepEqual([late.all.length, late.crowd.length, late.late], [11, 8, [9, 10]])
  t.deepEqual(nodesOf(row('killed')!).killed, [9, 10, 11, 12])
  t.end()
})

test('files: sizes of small ones → the same each time, Debian’s median, as many as fit', (t) => {
  const most = smallSizes(16 * 2 ** 20)
  t.deepEqual(smallSizes(16 * 2 ** 20), most)
  const total = (sizes: number[]): number => sizes.reduce((sum, size) => sum + size, 0)
  t.ok(
    most.length > 190 && total(most) <= 16 * 2 ** 20 && total(most) > 16e6,
    `${most.length} files, ${total(most)} bytes`,
  )
  t.ok(Math.abs(percentile(most, 0.5) - 59_000) < 2_000, `median ${percentile(most, 0.5)}`)
  const few = smallSizes(2 ** 20)
  t.ok(total(few) <= 2 ** 20 && total(few) > 1e6, `${few.length} files, ${total(few)} bytes`)
  t.end()
})

test('torrent: bencoding, and the piece length that a file gets', (t) => {
  t.equal(bencode({ a: [1, 'bc'], d: Buffer.from('e') }).toString(), 'd1:ali1e2:bce1:d1:ee')
  t.deepEqual(
    [2 ** 20, 8 * 2 ** 20, 16 * 2 ** 20, 2 ** 30].map(usualPieceLength),
    [16, 32, 64, 128].map((k) => k * 1024),
  )
  t.end()
})

test('table: a line for each engine, failures too', (t) => {
  const figures = figuresOf(MEASURED, { crowdS: 2, lateS: null })
  const table = tableOf([
    {
      row: '8',
      receivers: 2,
      files: 1,
      byteLength: 100,
      bounds: { crowdS: 2, lateS: null },
      engines: [{ engine: 'aria2', runs: [figures, { ...figures, lastOverBound: 2 }], median: figures }],
      failures: [{ engine: 'http', why: 'gone' }],
    },
  ])
  const lines = table.split('\n')
  t.equal(lines.length, 4)
  t.ok(lines[2]?.startsWith('| 8 (2.0 s) | aria2 | 1.50 (1.50 to 2.00) | 1.25 |'), lines[2])
  t.equal(lines[3], '| 8 | http | failed: gone |')
  t.end()
})
