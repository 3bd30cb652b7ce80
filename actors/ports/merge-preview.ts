/** What moving a fork to another release of its upstream changes: what moves there, what of that is also the fork's, and what breaks. */
import type { Decision, ForkChanges } from '../../schemas/curate.ts'
import { architectureOfIndex } from '../../schemas/index-path.ts'
import type { PackageDifference } from '../../schemas/package-difference.ts'
import type { When } from '../../schemas/when.ts'
import { differenceOfSnapshots } from '../../store/snapshot-difference.ts'
import { curateSnapshot, decideSnapshot, readUpstream } from '../../store/upstream-indexes.ts'
import type { Channel } from '../channel.ts'
import { newlyBroken, type NewlyBroken } from '../solver/newly-broken.ts'
import { readForkState } from './fork-state.ts'
import type { ForkState } from './fork-state.ts'
import { planFork } from './plan-fork.ts'
import type { PlannedFork } from './plan-fork.ts'

/** A package that upstream has moved, and that the fork says something about. */
export interface Collision extends Decision {
  /** Versions that upstream had before. */
  readonly before: readonly string[]
}

export interface MergePreview {
  readonly from: number
  readonly to: number
  /** Of upstream. */
  readonly moved: readonly PackageDifference[]
  readonly collisions: readonly Collision[]
  /** What becomes of each package that the fork has something to say about. */
  readonly decisions: readonly Decision[]
}

export interface ForkPreview extends MergePreview {
  readonly state: ForkState
  /** Packages that cannot be installed from the fork then, and could be from its newest release. */
  readonly broken: readonly NewlyBroken[]
}

/**
 * What a fork becomes on another release of its upstream.
 * @throws FreshetError NOT_A_FORK, CURATION_REFUSED, RELEASE_UNKNOWN, NO_PEERS, COMPARISON_TOO_LARGE, ...
 */
export async function previewFork(fork: Channel, when: When): Promise<ForkPreview> {
  const state = await readForkState(fork)
  const planned = await planFork(fork, state, when)
  const merge = await previewMerge(fork, state, planned, state.changes)
  return { ...merge, state, broken: await brokenBy(fork, planned, state.changes) }
}

/** @throws as previewFork. */
export async function previewMerge(
  fork: Channel,
  state: ForkState,
  planned: PlannedFork,
  changes: ForkChanges,
): Promise<MergePreview> {
  const [from, to] = [state.base.number, planned.base.release.number]
  const decisions = decideSnapshot(planned.indexes, changes)
  if (from === to) return { from, to, moved: [], collisions: [], decisions }
  const before = await planFork(fork, state, null)
  const { log } = state.upstream
  const moved = await differenceOfSnapshots({ log, plan: before.base }, { log, plan: planned.base })
  return { from, to, moved, collisions: collisionsOf(decideSnapshot(before.indexes, changes), decisions), decisions }
}

function collisionsOf(before: readonly Decision[], after: readonly Decision[]): Collision[] {
  const old = new Map(before.map((decision) => [keyOf(decision), decision]))
  const collisions = after.flatMap((decision): Collision[] => {
    const theirs = old.get(keyOf(decision))?.theirs ?? []
    old.delete(keyOf(decision))
    return filesOf(theirs) === filesOf(decision.theirs) ? [] : [{ ...decision, before: versionsOf(theirs) }]
  })
  // About a package that upstream has dropped, and that the fork only left out, there is no decision any more.
  const gone = [...old.values()].map((decision) => ({ ...decision, theirs: [], before: versionsOf(decision.theirs) }))
  return [...collisions, ...gone]
}

async function brokenBy(fork: Channel, planned: PlannedFork, changes: ForkChanges): Promise<NewlyBroken[]> {
  const after = curateSnapshot(planned.indexes, changes).map(({ path, texts }) => ({
    path,
    bytes: Buffer.concat(texts),
  }))
  const before = fork.current === null ? [] : await readUpstream(fork.current)
  const found: NewlyBroken[] = []
  for (const architecture of new Set(after.map(({ path }) => architectureOfIndex(path)))) {
    const isOf = ({ path }: { readonly path: string }): boolean => architectureOfIndex(path) === architecture
    found.push(...(await newlyBroken(architecture, before.filter(isOf), after.filter(isOf))))
  }
  return found
}

function keyOf({ name, path }: Decision): string {
  return `${path} ${name}`
}

function filesOf(packages: Decision['theirs']): string {
  return packages.map(({ version, architecture, digest }) => `${version} ${architecture} ${digest}`).join('\n')
}

export function versionsOf(packages: readonly { readonly version: string }[]): string[] {
  return [...new Set(packages.map(({ version }) => version))]
}
