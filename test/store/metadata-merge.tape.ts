/** Maintainers who edit one document offline: whatever arrives when, all end with the same, and nothing is lost unseen. */
import fc from 'fast-check'
import test from 'tape'
import type { MetadataState } from '../../schemas/metadata-fold.ts'
import { MetadataDocument } from '../../store/metadata-document.ts'
import { maintainerList, OfflineMaintainer } from '../helpers/offline-maintainers.ts'

const MAINTAINERS = 5
const RUNS = 30
const PATHS = ['package/bash/pin', 'package/bash/description', 'package/curl/pin', 'set/base/member/bash']

type Step = { readonly who: number; readonly path: number; readonly value: number; readonly from: number }

const steps = fc.array(
  fc.record({
    who: fc.nat(MAINTAINERS - 1),
    path: fc.nat(PATHS.length - 1),
    /** 0 deletes. */
    value: fc.nat(3),
    /** Somebody whose next change arrives before this edit. */
    from: fc.nat(MAINTAINERS - 1),
  }),
  { minLength: 1, maxLength: 40 },
)

async function edited(plan: readonly Step[]): Promise<OfflineMaintainer[]> {
  const list = maintainerList(MAINTAINERS)
  const all = await Promise.all(list.map(({ key }) => OfflineMaintainer.create(key, list)))
  for (const { who, path, value, from } of plan) {
    const [author, source] = [all[who] as OfflineMaintainer, all[from] as OfflineMaintainer]
    author.hearFrom(source, 1)
    author.edit({ path: PATHS[path] as string, value: value === 0 ? null : `1.${value}` })
  }
  return all
}

/** Everything reaches everybody, in an order of their own. */
function deliverAll(all: readonly OfflineMaintainer[], seed: number): void {
  for (const [i, to] of all.entries()) {
    for (let turn = 0; turn < 100 * MAINTAINERS; turn++) {
      const source = all[(seed * (i + 1) + turn * 7 + i) % MAINTAINERS] as OfflineMaintainer
      to.hearFrom(source, 1 + ((seed + turn) % 3))
    }
    to.draft.merge()
  }
}

function shown(state: MetadataState): unknown {
  return { ...state, registers: [...state.registers].toSorted(([a], [b]) => (a < b ? -1 : 1)) }
}

/** Operations that are neither shown nor beside what is shown, and that nobody who saw them replaced. */
function lost(all: readonly OfflineMaintainer[], state: MetadataState): string[] {
  const replaced = new Set<string>()
  const names: string[] = []
  for (const { key, log } of all) {
    for (const { change } of log) {
      for (const [i, { path, value, over }] of change.ops.entries()) {
        for (const { actor, counter } of over) replaced.add(`${path} ${counter}@${actor}`)
        if (value !== null) names.push(`${path} ${change.startOp + i}@${key}`)
      }
    }
  }
  const live = new Set<string>()
  for (const [path, values] of state.registers) {
    for (const { actor, counter } of values) live.add(`${path} ${counter}@${actor}`)
  }
  return names.filter((name) => live.has(name) === replaced.has(name))
}

test('metadata: five edit offline, in any order → all documents end equal, as Automerge has them, and nothing is lost', async (t) => {
  let changes = 0
  let conflicts = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(1_000), async (plan, seed) => {
      const all = await edited(plan)
      deliverAll(all, seed)
      const [first, ...others] = all as [OfflineMaintainer, ...OfflineMaintainer[]]
      const { state } = first.draft.fold
      const expected = JSON.stringify(shown(state))
      for (const other of others) {
        if (JSON.stringify(shown(other.draft.fold.state)) !== expected) return false
        if (JSON.stringify(other.draft.document.tips) !== JSON.stringify(state.tips)) return false
      }
      for (const { key, log, draft } of all) {
        changes += log.length
        if (first.draft.fold.countOf(key) !== log.length || draft.fold.refusals.length > 0) return false
      }
      for (const path of PATHS) {
        const values = state.registers.get(path) ?? []
        const theirs = first.draft.document.values(path).toReversed()
        if (JSON.stringify(theirs.map(({ value }) => value)) !== JSON.stringify(values.map(({ value }) => value)))
          return false
        if (values.some(({ actor, counter }, i) => theirs[i]?.actor !== actor || theirs[i]?.counter !== counter))
          return false
        // Who is named as the author of a value has it in their log.
        for (const { actor, seq, value } of values) {
          const author = all.find(({ key }) => key === actor)
          const ops = author?.log[seq - 1]?.change.ops ?? []
          if (!ops.some((op) => op.path === path && op.value === value)) return false
        }
        if (values.length > 1) conflicts++
      }
      return lost(all, state).length === 0
    }),
    { numRuns: RUNS },
  )
  t.ok(changes > RUNS, `${changes} changes in ${RUNS} runs`)
  t.ok(conflicts > 100, `${conflicts} registers ended with several values, all of them shown`)
})

test('metadata: what was merged is saved → loads again, for another author, and goes on', async (t) => {
  const plan = Array.from({ length: 60 }, (_, i) => ({
    who: i % 5,
    path: i % 4,
    value: 1 + (i % 3),
    from: (i * 3) % 5,
  }))
  const all = await edited(plan)
  deliverAll(all, 1)
  const [first, second] = all as [OfflineMaintainer, OfflineMaintainer]
  const { document } = first.draft
  const copy = await MetadataDocument.load(document.save(), second.key)
  t.deepEqual(copy.tips, document.tips)
  t.deepEqual(copy.paths, document.paths)
  const change = copy.edit([{ path: 'channel/note', value: 'a derivative' }], 'cloned', 1_000)
  t.ok(change)
})

test('metadata: a conflict is decided for a value that is there already → the value is of whoever decided', async (t) => {
  for (const decided of ['1.1', '1.2']) {
    const list = maintainerList(3)
    const all = await Promise.all(list.map(({ key }) => OfflineMaintainer.create(key, list)))
    const [ada, bo, judge] = all as [OfflineMaintainer, OfflineMaintainer, OfflineMaintainer]
    const path = 'package/bash/pin'
    ada.edit({ path, value: '1.1' })
    bo.edit({ path, value: '1.2' })
    judge.hearFrom(ada, 1)
    judge.hearFrom(bo, 1)
    judge.edit({ path, value: decided })
    const values = judge.draft.fold.state.registers.get(path) ?? []
    t.deepEqual(
      values.map(({ value, actor, seq }) => [value, actor, seq]),
      [[decided, judge.key, 1]],
    )
    ada.hearFrom(bo, 1)
    ada.hearFrom(judge, 1)
    t.deepEqual(ada.draft.fold.state.registers.get(path), values)
    t.equal(judge.edit({ path, value: decided }), null, 'said once, it is said')
  }
})
