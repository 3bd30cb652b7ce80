/**
 * A fork's clone of its upstream's document: two write upstream, two in the fork, all offline, and the fork takes over what upstream has
 * fixed whenever it likes. Whatever arrives when, the fork's documents end equal, upstream's too, and neither loses anything unseen.
 */
import fc from 'fast-check'
import test from 'tape'
import { MetadataFold } from '../../schemas/metadata-fold.ts'
import type { Maintainer, MetadataState } from '../../schemas/metadata-fold.ts'
import { decodeState, encodeState } from '../../schemas/metadata-state.ts'
import type { ReadChange } from '../../store/maintainer-log.ts'
import * as story from '../helpers/document-story.ts'
import { maintainerKey, maintainerList, OfflineMaintainer } from '../helpers/offline-maintainers.ts'

const RUNS = 200
const PATHS = ['package/bash/pin', 'package/bash/depends', 'package/curl/pin', 'advisory/A-1/severity']
const VALUES: readonly (readonly string[])[] = [
  ['1', '2'],
  ['a', 'b'],
  ['1', '2'],
  ['low', 'high'],
]
const UPSTREAM = maintainerList(2)
const OWN: readonly Maintainer[] = [2, 3].map((i) => ({ key: maintainerKey(i), name: `m${i}`, lastChange: null }))

const steps = fc.array(
  fc.record({
    who: fc.nat(3),
    path: fc.nat(PATHS.length - 1),
    /** 0 deletes. */
    value: fc.nat(2),
    /** Somebody whose next change arrives before this edit. */
    from: fc.nat(3),
    /** Afterwards who publishes the fork takes over upstream's newest document, or the other one hears of that, or neither. */
    after: fc.constantFrom('merge', 'hear', 'nothing', 'nothing', 'nothing'),
  }),
  { minLength: 8, maxLength: 40 },
)
type Step = typeof steps extends fc.Arbitrary<(infer Each)[]> ? Each : never

interface Clone {
  readonly upstream: readonly [OfflineMaintainer, OfflineMaintainer]
  readonly fork: readonly [OfflineMaintainer, OfflineMaintainer]
  readonly all: readonly OfflineMaintainer[]
  /** What the fork has of upstream: whose changes, and the state that upstream states of them. */
  inherited: readonly Maintainer[]
  taken: MetadataState
}

async function toldBy(plan: readonly Step[]): Promise<Clone> {
  const upstream = await Promise.all(UPSTREAM.map(({ key }) => OfflineMaintainer.create(key, UPSTREAM)))
  const fork = await Promise.all(OWN.map(({ key }) => OfflineMaintainer.create(key, OWN)))
  const clone = { upstream, fork, all: [...upstream, ...fork], inherited: [], taken: new MetadataFold([]).state }
  const told = clone as unknown as Clone
  for (const { who, path, value, from, after } of plan) {
    const [author, source] = [told.all[who] as OfflineMaintainer, told.all[from] as OfflineMaintainer]
    if (who >= 2 || from < 2) author.hearFrom(source, 1) // upstream never hears of its forks
    author.edit({ path: PATHS[path] as string, value: value === 0 ? null : (VALUES[path]?.[value - 1] as string) })
    if (after === 'merge') await merge(told)
    if (after === 'hear') await told.fork[1].relist([...OWN, ...told.inherited], told.all)
  }
  return told
}

/** The fork takes over what upstream's publisher has counted. */
async function merge(clone: Clone): Promise<void> {
  const [publisher] = clone.upstream
  const { state } = publisher.draft.fold
  clone.taken = decodeState(encodeState(state))
  clone.inherited = state.heads.map(({ key, seq }) => ({ key, name: '', lastChange: seq }))
  await clone.fork[0].relist([...OWN, ...clone.inherited], clone.all)
  for (const source of clone.upstream) clone.fork[0].hearFrom(source, source.log.length)
}

async function deliverAll(clone: Clone, seed: number): Promise<void> {
  await clone.fork[1].relist([...OWN, ...clone.inherited], clone.all)
  for (const [i, to] of clone.all.entries()) {
    const heard = i < 2 ? clone.upstream : clone.all
    for (let turn = 0; turn < 400; turn++) {
      to.hearFrom(heard[(seed * (i + 1) + turn * 7 + i) % heard.length] as OfflineMaintainer, 1 + ((seed + turn) % 3))
    }
    to.draft.merge()
  }
}

/** Changes that count in the fork. */
function countedLogs({ fork, upstream, inherited }: Clone): story.CountedLog[] {
  const theirs = inherited.map(({ key, lastChange }) => {
    return { key, log: upstream.find((of) => of.key === key)?.log.slice(0, lastChange ?? 0) ?? [] }
  })
  return [...theirs, ...fork.map(({ key, log }) => ({ key, log: [...log] }))]
}

/** A follower of the fork, who begins with the state that upstream's log has. */
function fromUpstreamState(clone: Clone): MetadataState {
  const fold = new MetadataFold([...OWN, ...clone.inherited], clone.taken)
  const logs = countedLogs(clone)
  for (const { key, log } of logs) for (const change of log.slice(fold.countOf(key))) fold.add(key, change)
  for (let unknown = fold.unknown; unknown.length > 0; unknown = fold.unknown) {
    for (const place of unknown) {
      const known = logs.find(({ key }) => key === place.key)?.log[place.seq - 1]
      if (known !== undefined) fold.learn(place, known)
    }
  }
  return fold.state
}

/** What is not its author's to say in the fork changes nothing there, nor what upstream says that was not taken over. */
function isRefused(clone: Clone, state: MetadataState): boolean {
  const [ada, bo] = clone.fork
  const logs = countedLogs(clone)
  const list = [...OWN, ...clone.inherited]
  const next = bo.edit({ path: 'channel/note', value: 'next' }) as ReadChange
  const removed = list.map((known) => (known.key === bo.key ? { ...known, lastChange: bo.log.length - 1 } : known))
  const attempts = [
    { what: story.refusalOf(list, logs, ada.key, next), code: 'CHANGE_FORGED' },
    { what: story.refusalOf(list, logs, bo.key, story.leaping(next)), code: 'CHANGE_FORGED' },
    { what: story.refusalOf(removed, logs, bo.key, next), code: 'CHANGE_AFTER_REMOVAL' },
  ]
  for (const { key, lastChange } of clone.inherited) {
    const later = clone.upstream.find((of) => of.key === key)?.log[lastChange ?? 0]
    const code = 'CHANGE_AFTER_REMOVAL'
    if (later !== undefined) attempts.push({ what: story.refusalOf(list, logs, key, later), code })
    attempts.push({ what: story.refusalOf(list, logs, key, next), code })
  }
  return attempts.every(({ what, code }) => what.code === code && story.isSameState(what.state, state))
}

test('metadata clone: two upstream and two in the fork edit offline → equal documents on each side, nothing lost, nothing of nobody', async (t) => {
  const runs = story.storyRuns(RUNS)
  let [changes, taken, conflicts] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(1_000), async (plan, seed) => {
      const clone = await toldBy(plan)
      await deliverAll(clone, seed)
      const [ada, bo] = clone.fork
      const [one, two] = clone.upstream
      const { state } = ada.draft.fold
      const logs = countedLogs(clone)
      changes += logs.reduce((sum, { log }) => sum + log.length, 0)
      taken += clone.inherited.reduce((sum, { lastChange }) => sum + (lastChange ?? 0), 0)
      conflicts += [...state.registers.values()].filter((values) => values.length > 1).length
      if (!story.isSameState(bo.draft.fold.state, state) || !story.isSameState(fromUpstreamState(clone), state)) {
        return false
      }
      if (!story.isSameState(one.draft.fold.state, two.draft.fold.state)) return false
      if (!clone.all.every(({ draft }) => story.isAsAutomergeHas(draft) && draft.fold.refusals.length === 0))
        return false
      if (logs.some(({ key, log }) => ada.draft.fold.countOf(key) !== log.length)) return false
      if (story.lostOperations(logs, state).length + story.valuesOfNobody(logs, state).length > 0) return false
      if (story.lostOperations(clone.upstream, one.draft.fold.state).length > 0) return false
      return isRefused(clone, state)
    }),
    runs,
  )
  t.ok(changes > runs.numRuns, `${changes} changes in ${runs.numRuns} runs, METADATA_SEED=${runs.seed}`)
  t.ok(taken > runs.numRuns / 2, `${taken} of them taken over from upstream`)
  t.ok(conflicts > runs.numRuns / 30, `${conflicts} registers ended with several values`)
})
