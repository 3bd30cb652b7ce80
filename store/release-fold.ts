/**
 * The snapshot that comes of a base and the releases after it.
 *
 * In a long history an index has some 60,000 runs, and 64 scripts may stand between a checkpoint and a release. Scripts are
 * applied to a stand-in for the base, which costs what they change; the runs of the base are put in once, at the end.
 */
import { levelOf, runsSeenFromFork, seenFromFork, withinLog } from '../schemas/chain-position.ts'
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
  #gatherings: readonly number[]
  #upstream: SnapshotPlan | null

  constructor(base: SnapshotPlan | null) {
    this.#release = base?.release ?? null
    this.#indexes = (base?.indexes ?? []).map(foldedIndex)
    this.#lateRoots = new Map(base?.lateRoots)
    this.#gatherings = base?.gatherings ?? []
    this.#upstream = base?.upstream ?? null
  }

  /** Takes up the next release. @throws FreshetError EVENT_INVALID when a script does not fit the release before. */
  add(read: ReadRelease): void {
    if (read.release.upstream !== null) throw linkError(read.summary.block, 'it is a release of a fork')
    this.#take(read)
    this.addRoots(read)
  }

  /**
   * Takes up a release of a fork, whose scripts start from what its upstream has: of the fork's releases before it only the
   * roots count, which `addRoots` takes.
   */
  addFork(read: ReadRelease, upstream: SnapshotPlan): void {
    this.#indexes = upstream.indexes.map(({ runs, ...index }) =>
      foldedIndex({ ...index, runs: runsSeenFromFork(runs) }),
    )
    this.#gatherings = upstream.gatherings.map(seenFromFork)
    this.#upstream = upstream
    this.#take(read)
    this.addRoots(read)
  }

  addRoots({ release }: ReadRelease): void {
    for (const { digest, piecesRoot } of release.lateRoots) this.#lateRoots.set(digestHex(digest), piecesRoot)
  }

  #take({ summary, release }: ReadRelease): void {
    const known = new Map(this.#indexes.map((index) => [index.path, index]))
    const indexes = release.indexes.map(({ path, byteLength, digest, script }): FoldedIndex => {
      for (const op of script) if (op.op === 'insert') this.#requirePast(summary.block, op.block)
      const { base = [], runs = [] } = known.get(path) ?? {}
      return { path, byteLength, digest: digestHex(digest), base, runs: applyScript(runs, script) }
    })
    requireBounded(summary.block, indexes)
    this.#indexes = indexes
    this.#release = summary
  }

  /** Of this log before the release at `block`, of an upstream's before the release that this one stands on. */
  #requirePast(block: number, inserted: number): void {
    let limit: number | undefined = block
    let plan = this.#upstream
    for (let level = levelOf(inserted); level > 0; level--) {
      limit = plan?.release.block
      plan = plan?.upstream ?? null
    }
    if (limit === undefined || withinLog(inserted) >= limit) throw linkError(block, 'a script inserts from the future')
  }

  /** The snapshot of the newest release; null: there was neither a base nor a release. */
  plan(): SnapshotPlan | null {
    if (this.#release === null) return null
    const indexes = this.#indexes.map(({ base, runs, ...index }) => ({ ...index, runs: onBase(base, runs) }))
    return {
      release: this.#release,
      indexes,
      lateRoots: this.#lateRoots,
      gatherings: this.#gatherings,
      upstream: this.#upstream,
    }
  }
}

function foldedIndex(index: PlannedIndex): FoldedIndex {
  return { ...index, base: index.runs, runs: asBase(stanzaCount(index.runs)) }
}

/** One release after another. @throws FreshetError EVENT_INVALID when a script does not fit the release before. */
export function foldRelease(before: SnapshotPlan | null, read: ReadRelease): SnapshotPlan {
  const fold = new ReleaseFold(before)
  fold.add(read)
  return fold.plan() as SnapshotPlan
}
