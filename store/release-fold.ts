/**
 * The snapshot that comes of a base and the releases after it.
 *
 * In a long history an index has some 60,000 runs, and 64 scripts may stand between a checkpoint and a release. Scripts are
 * applied to a stand-in for the base, which costs what they change; the runs of the base are put in once, at the end.
 */
import { applyScript, asBase, onBase, stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { digestHex } from '../schemas/units.ts'
import type { DigestHex } from '../schemas/units.ts'
import { linkError, requireBounded } from './release-block.ts'
import type { PlannedIndex, ReadRelease, ReleaseSummary, SnapshotPlan } from './release-block.ts'

/** An index file whose runs may be of the base. */
interface FoldedIndex extends PlannedIndex {
  /** The runs that stand behind `asBase`. */
  readonly base: readonly Run[]
}

export class ReleaseFold {
  #release: ReleaseSummary | null
  #indexes: readonly FoldedIndex[]
  readonly #lateRoots: Map<DigestHex, Buffer>
  readonly #gatherings: readonly number[]

  constructor(base: SnapshotPlan | null) {
    this.#release = base?.release ?? null
    this.#indexes = (base?.indexes ?? []).map((index) => ({
      ...index,
      base: index.runs,
      runs: asBase(stanzaCount(index.runs)),
    }))
    this.#lateRoots = new Map(base?.lateRoots)
    this.#gatherings = base?.gatherings ?? []
  }

  /** Takes up the next release. @throws FreshetError EVENT_INVALID when a script does not fit the release before. */
  add({ summary, release }: ReadRelease): void {
    const known = new Map(this.#indexes.map((index) => [index.path, index]))
    const indexes = release.indexes.map(({ path, byteLength, digest, script }): FoldedIndex => {
      for (const op of script) {
        if (op.op === 'insert' && op.block >= summary.block)
          throw linkError(summary.block, 'a script inserts from the future')
      }
      const { base = [], runs = [] } = known.get(path) ?? {}
      return { path, byteLength, digest: digestHex(digest), base, runs: applyScript(runs, script) }
    })
    requireBounded(summary.block, indexes)
    this.#indexes = indexes
    this.#release = summary
    for (const { digest, piecesRoot } of release.lateRoots) this.#lateRoots.set(digestHex(digest), piecesRoot)
  }

  /** The snapshot of the newest release; null: there was neither a base nor a release. */
  plan(): SnapshotPlan | null {
    if (this.#release === null) return null
    const indexes = this.#indexes.map(({ base, runs, ...index }) => ({ ...index, runs: onBase(base, runs) }))
    return { release: this.#release, indexes, lateRoots: this.#lateRoots, gatherings: this.#gatherings }
  }
}

/** One release after another. @throws FreshetError EVENT_INVALID when a script does not fit the release before. */
export function foldRelease(before: SnapshotPlan | null, read: ReadRelease): SnapshotPlan {
  const fold = new ReleaseFold(before)
  fold.add(read)
  return fold.plan() as SnapshotPlan
}
