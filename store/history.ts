/**
 * What a channel's log says its releases are: the chain of release blocks, folded into the runs of each index file.
 *
 * Derived from the log alone; nothing here is stored. A release that does not hold (wrong number, wrong hash of the one
 * before, a script that does not fit) throws and leaves the history as it was, so the last good release stays current.
 */
import { createHash } from 'node:crypto'
import { applyScript, stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { decodeEvent, expectEvent } from '../schemas/events.ts'
import type { Release } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { ROOTS_MAX, SNAPSHOT_PLANS_MAX, SNAPSHOT_STANZAS_MAX } from '../schemas/limits.ts'
import { repositoryPathFault } from '../schemas/repository-path.ts'
import { digestHex } from '../schemas/units.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { When } from '../schemas/when.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

export interface ReleaseSummary {
  readonly number: number
  /** Position of the release block, and SHA-256 of that block. */
  readonly block: number
  readonly hash: Buffer
  readonly publishedAtMs: number
  readonly releasedAtMs: number
  readonly validUntilMs: number | null
  readonly suite: string
  readonly signedIndexBlock: number
}

export interface PlannedIndex {
  readonly path: string
  readonly byteLength: number
  readonly digest: DigestHex
  readonly runs: readonly Run[]
}

/** Everything needed to rebuild a snapshot: which stanzas of which blocks, in which order. */
export interface SnapshotPlan {
  readonly release: ReleaseSummary
  readonly indexes: readonly PlannedIndex[]
}

interface ReadRelease {
  readonly summary: ReleaseSummary
  readonly release: Release
}

export class History {
  readonly #log: ReleaseLog
  #releases: ReleaseSummary[] = []
  /** Most recently used last; the newest release is kept apart. */
  readonly #plans = new Map<number, SnapshotPlan>()
  #newest: SnapshotPlan | null = null
  readonly #roots = new Map<DigestHex, Buffer>()
  /** One fold at a time: an import and a head that arrives may both ask. */
  #advancing: Promise<unknown> = Promise.resolve()

  constructor(log: ReleaseLog) {
    this.#log = log
  }

  get releases(): readonly ReleaseSummary[] {
    return this.#releases
  }

  get newest(): ReleaseSummary | null {
    return this.#releases.at(-1) ?? null
  }

  /** BEP 52 pieces root that any release so far gave for this artifact. */
  root(digest: DigestHex): Buffer | null {
    return this.#roots.get(digest) ?? null
  }

  /**
   * Takes up releases until the one at `block` (null: the newest of the log), oldest first. All of them are taken, or none.
   * @param options.local read this disk only, as after a restart.
   */
  advance(block: number | null = null, options: ReadOptions = {}): Promise<readonly ReleaseSummary[]> {
    const run = this.#advancing.then(() => this.#advance(block, options))
    this.#advancing = run.catch(() => {}) // whoever asked for it sees the error; the next one starts anew
    return run
  }

  async #advance(block: number | null, options: ReadOptions): Promise<readonly ReleaseSummary[]> {
    const target = block ?? (await this.#log.newestReleaseBlock())
    if (target === null || target <= (this.newest?.block ?? 0)) return []
    const fresh = await this.#walkBack(target, options)
    let plan = this.#newest
    const roots = new Map<DigestHex, Buffer>()
    // Read again, oldest first: scripts of a whole chain at once would be a memory bound that the publisher sets.
    for (const { block } of fresh) {
      const read = await this.#read(block, options)
      plan = foldRelease(plan, read)
      for (const { digest, piecesRoot } of read.release.roots) roots.set(digestHex(digest), piecesRoot)
      if (this.#roots.size + roots.size > ROOTS_MAX)
        throw linkError(block, `the channel has more than ${ROOTS_MAX} roots`)
    }
    this.#newest = plan
    for (const [digest, piecesRoot] of roots) this.#roots.set(digest, piecesRoot)
    this.#releases = [...this.#releases, ...fresh]
    return fresh
  }

  /** @throws FreshetError NO_RELEASE, RELEASE_UNKNOWN. */
  resolve(when: When): ReleaseSummary {
    const newest = this.newest
    if (newest === null) throw new FreshetError('NO_RELEASE', `channel ${this.#log.id} has no release yet`)
    if (when.kind === 'newest') return newest
    const found =
      when.kind === 'number'
        ? this.#releases[when.number - 1]
        : when.kind === 'time'
          ? this.#releases.findLast(({ publishedAtMs }) => publishedAtMs <= when.atMs)
          : undefined
    if (found !== undefined) return found
    const what =
      when.kind === 'number' ? `#${when.number}` : when.kind === 'time' ? new Date(when.atMs).toISOString() : when.tag
    throw new FreshetError('RELEASE_UNKNOWN', `channel ${this.#log.id} has no release ${what}`, {
      newest: newest.number,
    })
  }

  /** @throws FreshetError RELEASE_UNKNOWN; NO_PEERS where an old block is not here. */
  async plan(number: number): Promise<SnapshotPlan> {
    if (this.#releases[number - 1] === undefined) {
      throw new FreshetError('RELEASE_UNKNOWN', `channel ${this.#log.id} has no release #${number}`)
    }
    if (this.#newest?.release.number === number) return this.#newest
    const known = this.#plans.get(number)
    if (known !== undefined) {
      this.#plans.delete(number)
      this.#plans.set(number, known)
      return known
    }
    const base = [...this.#plans.keys()].filter((candidate) => candidate < number).sort((a, b) => b - a)[0] ?? 0
    let plan = this.#plans.get(base) ?? null
    for (const summary of this.#releases.slice(base, number)) {
      plan = foldRelease(plan, await this.#read(summary.block))
    }
    this.#plans.set(number, plan as SnapshotPlan)
    for (const oldest of this.#plans.keys()) {
      if (this.#plans.size <= SNAPSHOT_PLANS_MAX) break
      this.#plans.delete(oldest)
    }
    return plan as SnapshotPlan
  }

  /** The chain from the known history to `newestBlock`, oldest first. */
  async #walkBack(newestBlock: number, options: ReadOptions): Promise<ReleaseSummary[]> {
    const chain: ReleaseSummary[] = []
    const known = this.newest
    let read = await this.#read(newestBlock, options)
    for (;;) {
      chain.push(read.summary)
      const { previous, number } = read.release
      if (number === (known?.number ?? 0) + 1) {
        checkLink(previous, known, read.summary.block)
        return chain.reverse()
      }
      if (previous === null || previous.block >= read.summary.block || number <= (known?.number ?? 0) + 1) {
        throw linkError(read.summary.block, `release ${number} does not follow from the known history`)
      }
      const older = await this.#read(previous.block, options)
      checkLink(previous, older.summary, read.summary.block)
      if (older.summary.number !== number - 1) throw linkError(read.summary.block, 'release numbers have a gap')
      read = older
    }
  }

  async #read(block: number, options: ReadOptions = {}): Promise<ReadRelease> {
    const bytes = await this.#log.block(block, options)
    const release = expectEvent('release', decodeEvent(bytes), block)
    const { number, publishedAtMs, releasedAtMs, validUntilMs, suite, signedIndexBlock } = release
    if (signedIndexBlock >= block) throw linkError(block, 'the signed index stands after the release')
    const fault = repositoryPathFault(suite)
    if (fault !== null) throw linkError(block, `the suite ${fault}`)
    const hash = createHash('sha256').update(bytes).digest()
    return {
      release,
      summary: { number, block, hash, publishedAtMs, releasedAtMs, validUntilMs, suite, signedIndexBlock },
    }
  }
}

function foldRelease(before: SnapshotPlan | null, { summary, release }: ReadRelease): SnapshotPlan {
  const runsOf = new Map(before?.indexes.map(({ path, runs }) => [path, runs]))
  const indexes = release.indexes.map(({ path, byteLength, digest, script }) => {
    for (const op of script) {
      if (op.op === 'insert' && op.block >= summary.block)
        throw linkError(summary.block, 'a script inserts from the future')
    }
    return { path, byteLength, digest: digestHex(digest), runs: applyScript(runsOf.get(path) ?? [], script) }
  })
  if (indexes.reduce((sum, { runs }) => sum + stanzaCount(runs), 0) > SNAPSHOT_STANZAS_MAX) {
    throw linkError(summary.block, `the snapshot has more than ${SNAPSHOT_STANZAS_MAX} stanzas`)
  }
  return { release: summary, indexes }
}

function checkLink(previous: Release['previous'], older: ReleaseSummary | null, block: number): void {
  if (previous === null) {
    if (older !== null) throw linkError(block, 'a release without predecessor follows others')
    return
  }
  if (older === null || previous.block !== older.block || !previous.hash.equals(older.hash)) {
    throw linkError(block, 'the release before is not the one this release names')
  }
}

function linkError(block: number, message: string): FreshetError {
  return new FreshetError('EVENT_INVALID', `block ${block}: ${message}`, { block })
}
