/** Checks of a metadata document that several people wrote: nothing is lost unseen, everything is of somebody, and what is not theirs is refused. */
import { decodeChange } from '../../schemas/automerge-change.ts'
import { encodeChange } from '../../schemas/automerge-encode.ts'
import { MetadataFold } from '../../schemas/metadata-fold.ts'
import type { Maintainer, MaintainerChange, MetadataState } from '../../schemas/metadata-fold.ts'
import { encodeState } from '../../schemas/metadata-state.ts'
import type { KeyHex } from '../../schemas/units.ts'
import type { MetadataDraft } from '../../store/metadata-draft.ts'

/** Changes of somebody that count. */
export interface CountedLog {
  readonly key: KeyHex
  readonly log: readonly MaintainerChange[]
}

/** What fast-check is told: `METADATA_RUNS=3000` runs longer, `METADATA_SEED=N` repeats the stories of a run. */
export function storyRuns(usual: number): { readonly numRuns: number; readonly seed: number } {
  const { METADATA_RUNS: runs = usual, METADATA_SEED: seed = 20_251_125 } = process.env
  return { numRuns: Number(runs), seed: Number(seed) }
}

export function isSameState(a: MetadataState, b: MetadataState): boolean {
  return encodeState(a).equals(encodeState(b))
}

/** Whether Automerge has the same values, and the same changes that nothing follows. */
export function isAsAutomergeHas({ document, fold: { state } }: MetadataDraft): boolean {
  if (document.tips.join() !== state.tips.join()) return false
  if (document.paths.toSorted().join() !== [...state.registers.keys()].toSorted().join()) return false
  return [...state.registers].every(([path, values]) => {
    const theirs = document.values(path).toReversed()
    const [known, shown] = [theirs, values].map((list) =>
      list.map(({ value, actor, counter }) => [value, actor, counter]),
    )
    return JSON.stringify(known) === JSON.stringify(shown)
  })
}

/** Operations that are neither shown nor beside what is shown, and that nobody who saw them replaced. */
export function lostOperations(logs: readonly CountedLog[], { registers }: MetadataState): string[] {
  const replaced = new Set<string>()
  const names: string[] = []
  for (const { key, log } of logs) {
    for (const { change } of log) {
      for (const [i, { path, value, over }] of change.ops.entries()) {
        for (const { actor, counter } of over) replaced.add(`${path} ${counter}@${actor}`)
        if (value !== null) names.push(`${path} ${change.startOp + i}@${key}`)
      }
    }
  }
  const live = new Set<string>()
  for (const [path, values] of registers) {
    for (const { actor, counter } of values) live.add(`${path} ${counter}@${actor}`)
  }
  return names.filter((name) => live.has(name) === replaced.has(name))
}

/** Values whose author does not have them in the change that they are said to be of. */
export function valuesOfNobody(logs: readonly CountedLog[], { registers }: MetadataState): string[] {
  return [...registers].flatMap(([path, values]) =>
    values
      .filter(({ actor, seq, value }) => {
        const ops = logs.find(({ key }) => key === actor)?.log[seq - 1]?.change.ops ?? []
        return !ops.some((op) => op.path === path && op.value === value)
      })
      .map(({ value }) => `${path} ${value}`),
  )
}

/** All of `logs`, one after the other; and the code by which `next` is refused in the log of `key`, null: it counts, or waits. */
export function refusalOf(
  list: readonly Maintainer[],
  logs: readonly CountedLog[],
  key: KeyHex,
  next: MaintainerChange,
): { readonly code: string | null; readonly state: MetadataState } {
  const fold = new MetadataFold(list)
  for (const { key: of, log } of logs) for (const change of log) fold.add(of, change)
  fold.add(key, next)
  return { code: fold.refusals.find((refusal) => refusal.key === key)?.code ?? null, state: fold.state }
}

/** The same change, with operations counted so far ahead that they would win every conflict to come. */
export function leaping({ change, follows }: MaintainerChange): MaintainerChange {
  return { change: decodeChange(encodeChange({ ...change, startOp: change.startOp + 1_000_000 })), follows }
}
