/**
 * That a release of a fork is what its curation makes of the upstream release it stands on: which packages, whose, and in which order.
 *
 * Computed anew with the publisher's own rule (schemas/curate.ts) from upstream's stanzas and the curation alone. Names are those of the
 * packages that the walk knows already; only what the fork says something about, or has left out, is read again.
 */
import { runsSeenFromFork } from '../../schemas/chain-position.ts'
import { curatedNames, curateIndex, NO_CHANGES } from '../../schemas/curate.ts'
import type { ForkChanges, StanzaPlace, UpstreamPackage } from '../../schemas/curate.ts'
import { applyScript, stanzaCount } from '../../schemas/edit-script.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { STANZAS_PER_BLOCK_MAX } from '../../schemas/limits.ts'
import { readSlice } from '../../schemas/stanza.ts'
import { scriptOf } from '../compose-fork.ts'
import { readChanges, readCuration } from '../curation.ts'
import type { PlannedIndex, SnapshotPlan } from '../release-block.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { Findings } from './findings.ts'
import { placesOf } from './places-of.ts'
import type { PlacedPackages } from './placed-packages.ts'
import type { StanzaCache } from './stanza-cache.ts'

export class CuratedReleases {
  readonly #log: ReleaseLog
  readonly #stanzas: StanzaCache
  /** What the newest curation that was asked for says. */
  #known: { readonly block: number; readonly changes: ForkChanges } = { block: 0, changes: NO_CHANGES }

  constructor(log: ReleaseLog, stanzas: StanzaCache) {
    this.#log = log
    this.#stanzas = stanzas
  }

  /**
   * @param curationBlock of the newest curation before the release; 0: none.
   * @param placed packages of the release, as its scripts have them. @throws FreshetError NO_PEERS.
   */
  async check(plan: SnapshotPlan, curationBlock: number, placed: PlacedPackages, findings: Findings): Promise<void> {
    const { release, upstream, indexes } = plan
    const position = { block: release.block, release: release.number }
    try {
      const changes = await this.#changes(curationBlock)
      const theirs = upstream?.indexes ?? []
      const [paths, expected] = [indexes, theirs].map((list) => list.map(({ path }) => path))
      if (paths?.join('\n') !== expected?.join('\n')) {
        const message = `release ${release.number} has other index files than its upstream`
        return findings.fault('CURATION_NOT_FOLLOWED', message, position)
      }
      for (const [i, index] of theirs.entries()) {
        const { path, runs } = indexes[i] as PlannedIndex
        const stanza = firstDifference(await this.#curated(index, changes, placed), runs)
        if (stanza === null) continue
        const message = `${path} of release ${release.number} is not what the curation of the fork makes of upstream, from stanza ${stanza} on`
        findings.fault('CURATION_NOT_FOLLOWED', message, { ...position, path, stanza })
      }
    } catch (error) {
      findings.refused('CURATION_NOT_FOLLOWED', position, error)
    }
  }

  async #changes(block: number): Promise<ForkChanges> {
    if (block !== this.#known.block) {
      this.#known = { block, changes: await readChanges(this.#log, await readCuration(this.#log, block)) }
    }
    return this.#known.changes
  }

  /** Runs of the fork's index file. */
  async #curated(index: PlannedIndex, changes: ForkChanges, placed: PlacedPackages): Promise<Run[]> {
    const runs = runsSeenFromFork(index.runs)
    const count = stanzaCount(runs)
    const known = await this.#packages(index.path, runs, curatedNames(changes), placed)
    const isOpen = count > 0 && !(await this.#endsBlank(runs))
    const { parts } = curateIndex(index.path, known, { count, isOpen }, changes)
    return applyScript(
      runs,
      scriptOf(parts, count, ({ place }) => place as StanzaPlace),
    ) // read from the log: it has one
  }

  /** Stanzas of upstream that the fork says something about. */
  async #packages(
    path: string,
    runs: readonly Run[],
    names: ReadonlySet<string>,
    placed: PlacedPackages,
  ): Promise<UpstreamPackage[]> {
    const wanted: { readonly index: number; readonly run: Run }[] = []
    let index = 0
    for (const place of placesOf(runs)) {
      const run = runAt(place)
      const name = placed.nameAt(run.block, run.first)
      if (name === undefined || names.has(name)) wanted.push({ index, run })
      index++
    }
    const packages: UpstreamPackage[] = []
    let next = 0
    for await (const { run, stanzas } of this.#stanzas.inOrder(wanted.map((item) => item.run))) {
      const stanza = readSlice(stanzas.text, stanzas.offsets, run.first, path)
      const at = (wanted[next++] as (typeof wanted)[number]).index
      if (stanza !== null && names.has(stanza.name)) packages.push({ ...stanza, index: at })
    }
    return packages
  }

  async #endsBlank(runs: readonly Run[]): Promise<boolean> {
    const { block, first, count } = runs.at(-1) as Run
    for await (const { stanzas } of this.#stanzas.inOrder([{ block, first: first + count - 1, count: 1 }])) {
      return stanzas.text
        .subarray(0, stanzas.offsets[first + count])
        .subarray(-2)
        .equals(BLANK_LINE)
    }
    throw new FreshetError('INTERNAL', 'a stanza was asked for, and none came')
  }
}

const BLANK_LINE = Buffer.from('\n\n')

function runAt(place: number): Run {
  const first = place % STANZAS_PER_BLOCK_MAX
  return { block: (place - first) / STANZAS_PER_BLOCK_MAX, first, count: 1 }
}

/** Null: there is none. */
function firstDifference(expected: readonly Run[], actual: readonly Run[]): number | null {
  const rest = placesOf(actual)
  let at = 0
  for (const place of placesOf(expected)) {
    if (rest.next().value !== place) return at
    at++
  }
  return rest.next().done === true ? null : at
}
