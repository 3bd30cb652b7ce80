/** Maintainers who edit one document offline: whatever arrives when, all end with the same, and nothing is lost unseen. */
import fc from 'fast-check'
import test from 'tape'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import type { ReadChange } from '../../store/maintainer-log.ts'
import { MetadataDocument } from '../../store/metadata-document.ts'
import * as story from '../helpers/document-story.ts'
import { maintainerList, OfflineMaintainer } from '../helpers/offline-maintainers.ts'

const MAINTAINERS = 5
const RUNS = 200
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
  { minLength: 8, maxLength: 40 },
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

/** What is not its author's to say changes nothing. */
function isRefused(all: readonly OfflineMaintainer[]): boolean {
  const [ada, bo] = all as [OfflineMaintainer, OfflineMaintainer]
  const logs = all.map(({ key, log }) => ({ key, log: [...log] }))
  const { state } = ada.draft.fold
  const next = bo.edit({ path: 'channel/note', value: 'next' }) as ReadChange
  const list = maintainerList(MAINTAINERS)
  const removed = list.map((known): Maintainer => {
    return known.key === bo.key ? { ...known, lastChange: bo.log.length - 1 } : known
  })
  const attempts = [
    { what: story.refusalOf(list, logs, ada.key, next), code: 'CHANGE_FORGED' },
    { what: story.refusalOf(list, logs, bo.key, story.leaping(next)), code: 'CHANGE_FORGED' },
    { what: story.refusalOf(removed, logs, bo.key, next), code: 'CHANGE_AFTER_REMOVAL' },
  ]
  return attempts.every(({ what, code }) => what.code === code && story.isSameState(what.state, state))
}

test('metadata: five edit offline, in any order → all documents end equal, as Automerge has them, and nothing is lost', async (t) => {
  const runs = story.storyRuns(RUNS)
  let [changes, conflicts] = [0, 0]
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(1_000), async (plan, seed) => {
      const all = await edited(plan)
      deliverAll(all, seed)
      const [first] = all as [OfflineMaintainer]
      const { state } = first.draft.fold
      for (const { key, log, draft } of all) {
        changes += log.length
        if (!story.isSameState(draft.fold.state, state) || !story.isAsAutomergeHas(draft)) return false
        if (first.draft.fold.countOf(key) !== log.length || draft.fold.refusals.length > 0) return false
      }
      conflicts += [...state.registers.values()].filter((values) => values.length > 1).length
      if (story.lostOperations(all, state).length + story.valuesOfNobody(all, state).length > 0) return false
      return isRefused(all)
    }),
    runs,
  )
  t.ok(changes > runs.numRuns, `${changes} changes in ${runs.numRuns} runs, METADATA_SEED=${runs.seed}`)
  t.ok(conflicts > runs.numRuns / 30, `${conflicts} registers ended with several values, all of them shown`)
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
