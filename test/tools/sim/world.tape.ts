/** Small crowds on a virtual clock: everybody gets everything, whoever leaves, and the same seed gives the same run. */
import test from 'tape'
import { kumarRoss } from '../../../tools/sim/bound.ts'
import { CROWDS } from '../../../tools/sim/crowds.ts'
import { EventQueue } from '../../../tools/sim/event-queue.ts'
import { randomFrom } from '../../../tools/sim/random.ts'
import { simulate, type WorldOptions } from '../../../tools/sim/world.ts'

const MBIT = 125_000
const MIB = 1024 * 1024

function crowdOf(takers: number, byteLength: number): Omit<WorldOptions, 'seed'> {
  const lines = Array.from({ length: takers + 1 }, () => ({ up: 16 * MBIT, down: 32 * MBIT }))
  return { files: [{ byteLength, checksBlocks: true }], lines, delayMs: 10, degree: 30 }
}

test('events run by time, and in the order of adding where times are equal', (t) => {
  const events = new EventQueue()
  const ran: number[] = []
  const random = randomFrom(7)
  const times = Array.from({ length: 500 }, () => Math.floor(random() * 50))
  for (const [index, atMs] of times.entries()) events.add(atMs, () => ran.push(atMs * 1000 + index))
  while (events.step());
  t.equal(ran.length, 500)
  t.same(
    ran,
    [...ran].sort((a, b) => a - b),
  )
  t.end()
})

test('the bound is the largest of origin, downlink and all uplinks', (t) => {
  const takers = Array.from({ length: 9 }, () => ({ up: 1, down: 10 }))
  t.equal(kumarRoss(100, { up: 1, down: 1 }, takers), 100, 'the origin')
  t.equal(kumarRoss(100, { up: 100, down: 1 }, [{ up: 100, down: 2 }]), 50, 'the downlink')
  t.equal(kumarRoss(100, { up: 91, down: 1 }, takers), 10, 'the downlink of all')
  t.equal(kumarRoss(100, { up: 11, down: 1 }, takers), 45, 'all uplinks')
  t.end()
})

test('the same seed gives the same run, another seed another', (t) => {
  const [one, again, other] = [1, 1, 2].map((seed) => simulate({ ...crowdOf(6, 4 * MIB), seed }).trace)
  t.equal(one, again)
  t.notEqual(one, other)
  t.end()
})

test('eight takers come near the bound with little more than one copy from the origin', (t) => {
  const crowd = crowdOf(8, 8 * MIB)
  const [origin, ...takers] = crowd.lines
  const boundMs = 1000 * kumarRoss(8 * MIB, origin ?? { up: 1, down: 1 }, takers)
  for (const seed of [1, 2, 3]) {
    const { finishedAtMs, originBytes, sentBytes } = simulate({ ...crowd, seed })
    t.equal(finishedAtMs.length, 8)
    t.ok(
      Math.max(...finishedAtMs) < 1.15 * boundMs,
      `last after ${(Math.max(...finishedAtMs) / boundMs).toFixed(3)} bounds`,
    )
    t.ok(originBytes < 1.1 * 8 * MIB, `${(originBytes / 8 / MIB).toFixed(3)} copies`)
    t.ok(sentBytes < 1.1 * 8 * 8 * MIB, 'nearly nothing is sent twice')
  }
  t.end()
})

test('files that can only be checked whole arrive as well', (t) => {
  const files = Array.from({ length: 40 }, (_, index) => ({ byteLength: index * 6_000, checksBlocks: false }))
  const { finishedAtMs } = simulate({ ...crowdOf(6, 0), files, seed: 1 })
  t.ok(finishedAtMs.every(Number.isFinite))
  t.end()
})

test('takers that leave in the middle do not keep the others from having everything', (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const leaves = new Map([1, 2, 3, 4, 5, 6].map((taker) => [taker, 200 * taker + 10 * seed]))
    const { finishedAtMs } = simulate({ ...crowdOf(12, 4 * MIB), leaves, seed })
    t.equal(finishedAtMs.length, 6)
    t.ok(finishedAtMs.every(Number.isFinite), `seed ${seed}`)
  }
  t.end()
})

test('a crowd that does not all know each other gets everything too', (t) => {
  const { finishedAtMs } = simulate({ ...crowdOf(40, MIB), degree: 6, seed: 1 })
  t.ok(finishedAtMs.every(Number.isFinite))
  t.end()
})

test('crowds keep to their bars: time of the last over the bound, and copies from the origin', (t) => {
  const bars = {
    'half-slow': [1.2, 1.4],
    asymmetric: [1.2, 3.5],
    'small-1': [1.7, 1.4],
    killed: [1.15, 1.4],
    '100': [1.4, 1.3],
  }
  for (const [wanted, [timeMax = 0, copiesMax = 0]] of Object.entries(bars)) {
    const crowd = CROWDS.find(({ name }) => name === wanted)
    if (crowd === undefined) return t.end(`no crowd ${wanted}`)
    const [origin = { up: 1, down: 1 }, ...takers] = crowd.lines
    const byteLength = crowd.files.reduce((sum, file) => sum + file.byteLength, 0)
    const { finishedAtMs, originBytes } = simulate({ ...crowd, seed: 1 })
    const ratio = Math.max(...finishedAtMs) / 1000 / kumarRoss(byteLength, origin, takers)
    t.ok(ratio < timeMax, `${wanted}: ${ratio.toFixed(3)} of the bound`)
    t.ok(originBytes / byteLength < copiesMax, `${wanted}: ${(originBytes / byteLength).toFixed(2)} copies`)
  }
  t.end()
})
