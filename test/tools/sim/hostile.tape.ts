/**
 * Crowds of which a part harms, on a virtual clock. Time is compared with the same honest takers and origin alone, wasted are bytes that
 * reach an honest node and are wrong or here already.
 */
import test from 'tape'
import { HOSTILE_KINDS, type HostileKind } from '../../../tools/sim/hostile.ts'
import { simulate, type Outcome } from '../../../tools/sim/world.ts'

const MBIT = 125_000
const MIB = 1024 * 1024

const ONE_FILE = [{ byteLength: 12 * MIB, checksBlocks: true }]

/** `harmful` takers after the honest ones. */
function run(honest: number, harmful: number, seed: number, kinds: readonly HostileKind[], files = ONE_FILE): Outcome {
  const lines = Array.from({ length: 1 + honest + harmful }, () => ({ up: 16 * MBIT, down: 32 * MBIT }))
  const hostile = new Map<number, HostileKind>()
  for (let i = 0; i < harmful; i++) hostile.set(honest + 1 + i, kinds[i % kinds.length] ?? 'liar')
  return simulate({ seed, files, lines, delayMs: 10, degree: 30, hostile })
}

test('half of the peers harm: everybody honest completes in less than one and a half times the time, little is wasted', (t) => {
  for (const seed of [1, 2, 3]) {
    const alone = Math.max(...run(12, 0, seed, HOSTILE_KINDS).finishedAtMs)
    const outcome = run(12, 12, seed, HOSTILE_KINDS)
    const ratio = Math.max(...outcome.finishedAtMs) / alone
    t.equal(outcome.finishedAtMs.length, 12)
    t.ok(ratio < 1.5, `${ratio.toFixed(2)} of the time`)
    const wasted = outcome.wastedBytes / outcome.arrivedBytes
    t.ok(wasted < 0.05, `${(100 * wasted).toFixed(1)} % wasted`)
    t.equal(outcome.honestDropped, 0)
  }
  t.end()
})

test('one kind alone: everybody honest completes', (t) => {
  for (const kind of HOSTILE_KINDS) {
    const { finishedAtMs, honestDropped } = run(8, 8, 1, [kind])
    t.ok(finishedAtMs.every(Number.isFinite), kind)
    t.equal(honestDropped, 0)
  }
  t.end()
})

test('nine of ten peers harm: everybody honest completes', (t) => {
  const { finishedAtMs, honestDropped } = run(3, 27, 1, HOSTILE_KINDS)
  t.equal(finishedAtMs.length, 3)
  t.ok(finishedAtMs.every(Number.isFinite))
  t.equal(honestDropped, 0)
  t.end()
})

test('hostile peers that show everything and send nothing do not pass a block around among themselves for ever', (t) => {
  for (const seed of [2, 6]) t.ok(run(6, 54, seed, HOSTILE_KINDS).finishedAtMs.every(Number.isFinite), `seed ${seed}`)
  t.end()
})

test('liars among files that can only be checked whole: everybody honest completes', (t) => {
  const files = Array.from({ length: 40 }, (_, index) => ({ byteLength: index * 6_000, checksBlocks: false }))
  const { finishedAtMs, honestDropped } = run(6, 4, 1, ['liar'], files)
  t.ok(finishedAtMs.every(Number.isFinite))
  t.equal(honestDropped, 0)
  t.end()
})
