/**
 * Audits a channel from its log alone: everything that can be derived is derived again and held against what is stated.
 *
 * In this order: every block of the log and the tree over them, with the signatures; every block of the look-up index; every
 * release against the one before it; the files of the pool. Writes only to a scratch folder. Memory: a hash of 32 bytes a
 * block, a record a stanza of one release, and the index files of one release twice.
 */
import type { AuditReport } from '../../schemas/audit-report.ts'
import { decodeEvent, expectEvent } from '../../schemas/events.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { Pool } from '../pool.ts'
import { readRelease } from '../release-block.ts'
import type { ReadRelease } from '../release-block.ts'
import type { SignedHead } from '../../schemas/evidence.ts'
import type { ReleaseLog } from '../release-log.ts'
import { verifyHead } from '../head-evidence.ts'
import { auditLookupCore } from './audit-lookup-core.ts'
import { checkForkPoint } from './check-fork.ts'
import type { AuditedUpstream } from './check-fork.ts'
import { checkArtifacts } from './check-artifacts.ts'
import type { LogOf } from '../fixed-metadata.ts'
import { checkManifest, checkNewestHead } from './check-heads.ts'
import { checkMetadata } from './check-metadata.ts'
import { chooseReleases } from './choose-releases.ts'
import { Findings } from './findings.ts'
import { historyAt } from './known-history.ts'
import type { KnownHistory } from './known-history.ts'
import type { ReadBlocksOptions } from './read-blocks.ts'
import { RebuiltLookup } from './rebuilt-lookup.ts'
import { rebuildTree } from './rebuild-tree.ts'
import type { RebuiltTree } from './rebuild-tree.ts'
import type { SignatureJudge } from './signed-index.ts'
import { ReleaseWalk } from './walk-releases.ts'

export interface AuditOptions extends ReadBlocksOptions {
  /** Null: the files of packages are not looked at. */
  readonly pool: Pool | null
  /** The newest head that this node ever accepted. */
  readonly accepted: SignedHead | null
  /** The first release to check; those before are believed. */
  readonly since: number
  /** How many releases to reproduce, and by which choice; null: all. */
  readonly sample: { readonly count: number; readonly seed: string } | null
  /** Of a fork: its upstream, which is believed; that has an audit of its own. */
  readonly upstream: AuditedUpstream | null
  /** An existing folder for what is built again. */
  readonly scratch: string
  readonly judge: SignatureJudge
  /** Of the channel's metadata. */
  readonly maintainerLog: LogOf
  readonly onProgress: (progress: AuditProgress) => void
}

export interface AuditProgress {
  readonly phase: 'audit-blocks' | 'audit-lookup' | 'audit-releases' | 'audit-files'
  readonly done: number
  readonly total: number
}

/** @throws FreshetError RELEASE_UNKNOWN for a `since` beyond the history; INTERRUPTED, DISK_FULL, STORE_FAILED. */
export async function auditChannel(log: ReleaseLog, options: AuditOptions): Promise<AuditReport> {
  const startedAtMs = performance.now()
  const audit = new Audit(log, options)
  try {
    await audit.run()
  } catch (error) {
    if (!(error instanceof FreshetError) || error.code !== 'NO_PEERS') throw error
    audit.findings.gap('BLOCKS_MISSING', error.message, { block: Number(error.detail['block']) })
  }
  return audit.report(performance.now() - startedAtMs)
}

class Audit {
  readonly #log: ReleaseLog
  readonly #options: AuditOptions
  readonly findings = new Findings()
  #tree: RebuiltTree | null = null
  #newest: ReadRelease | null = null
  #walk: ReleaseWalk | null = null
  #walkedMs = 0
  #sample: AuditReport['sample'] = null
  #lookupBlocks = 0
  #artifacts: AuditReport['artifacts'] = null

  constructor(log: ReleaseLog, options: AuditOptions) {
    this.#log = log
    this.#options = options
  }

  async run(): Promise<void> {
    const { accepted } = this.#options
    const log = this.#log
    const head = log.head()
    const manifest = checkManifest(log, this.findings)
    const isSigned = (treeHash: Buffer): boolean =>
      manifest !== null && verifyHead(log.core.key, manifest, { ...head, treeHash })
    const tree = await rebuildTree(log.core, head.length, isSigned, this.#options, this.#report('audit-blocks'))
    this.#tree = tree
    checkNewestHead(log.core, manifest, tree, head, accepted, this.findings)
    const damaged = Math.min(head.length, ...tree.unreadable, ...tree.changed)
    if (!(await this.#readGenesis(damaged > 0))) return
    this.#newest = await this.#readNewest(tree)
    if (this.#newest !== null) await this.#auditLookup(this.#newest)
    await this.#walkReleases(manifest, tree, damaged)
    await this.#auditMetadata()
    await this.#auditPool()
  }

  /** @param isSound the block is what its publisher wrote; a changed one has been named already. */
  async #readGenesis(isSound: boolean): Promise<boolean> {
    const position = { block: 0 }
    try {
      const { upstream } = expectEvent('genesis', decodeEvent(await this.#log.block(0)), 0)
      if (upstream === null) return true
      const source = this.#options.upstream
      if (source !== null) await checkForkPoint(source, upstream, this.findings)
      else this.findings.gap('CHECK_STOPPED', 'the upstream of the fork could not be had', position)
      return source !== null
    } catch (error) {
      if (isSound) this.findings.refused('EVENT_INVALID', position, error)
      return false
    }
  }

  /**
   * Null: there is none, or none that can be read. What is wrong with it is for the walk to say. A block that was named as
   * changed is passed over: what it says of the look-up index is not what the publisher said.
   */
  async #readNewest({ length, changed }: RebuiltTree): Promise<ReadRelease | null> {
    const named = new Set(changed)
    for (let block = length - 1; block > 0; block--) {
      if (named.has(block)) continue
      const read = await readRelease(this.#log, block).catch(() => null)
      if (read !== null) return read
    }
    return null
  }

  async #auditLookup({ release }: ReadRelease): Promise<void> {
    const report = this.#report('audit-lookup')
    this.#lookupBlocks = await auditLookupCore(this.#log, release, this.findings, this.#options, report)
  }

  async #walkReleases(manifest: ReturnType<typeof checkManifest>, tree: RebuiltTree, until: number): Promise<void> {
    const { since, scratch, judge, pool, signal } = this.#options
    const startedAtMs = performance.now()
    const known = await this.#believed(since - 1)
    if (known === null) return
    const lookup = await RebuiltLookup.open(scratch)
    const report = this.#report('audit-releases')
    this.#walk = new ReleaseWalk({
      log: this.#log,
      manifest,
      tree,
      until,
      known,
      upstream: this.#options.upstream,
      lookup,
      isChosen: this.#choose(since),
      judge,
      isInPool: (digest: DigestHex) => pool !== null && pool.held(digest) !== null,
      findings: this.findings,
      signal,
      onProgress: (block) => report(block, tree.length),
    })
    try {
      const isWhole = await this.#walk.run()
      if (isWhole && until === tree.length) return
      const message = `nothing was said about what stands in block ${known.length} and after it`
      this.findings.gap('CHECK_STOPPED', message, {
        block: known.length,
        release: (known.plan?.release.number ?? 0) + 1,
      })
    } finally {
      this.#walkedMs = performance.now() - startedAtMs
      await lookup.close()
    }
  }

  /** What stands before the first release to check. Null: it cannot even be read. */
  async #believed(number: number): Promise<KnownHistory | null> {
    const last = this.#newest?.summary.number ?? 0
    if (number > 0 && number >= last) {
      throw new FreshetError('RELEASE_UNKNOWN', `channel ${this.#log.id} has no release #${number + 1}`, {
        newest: last,
      })
    }
    try {
      return await historyAt(this.#log, number, this.#options.upstream?.history ?? null)
    } catch (error) {
      this.findings.refused('EVENT_INVALID', {}, error)
      return null
    }
  }

  #choose(since: number): (release: number) => boolean {
    const { sample } = this.#options
    if (sample === null) return () => true
    const last = this.#newest?.summary.number ?? 0
    const releases = chooseReleases(since, last, sample.count, sample.seed)
    this.#sample = { seed: sample.seed, releases }
    const chosen = new Set(releases)
    return (release) => chosen.has(release)
  }

  async #auditMetadata(): Promise<void> {
    if (this.#walk === null) return
    const { metadata, maintainers } = this.#walk
    await checkMetadata(this.#log, metadata, maintainers, this.#options.maintainerLog, this.findings)
  }

  async #auditPool(): Promise<void> {
    const { pool, signal } = this.#options
    if (pool === null || this.#walk === null) return
    const { named, roots } = this.#walk
    this.#artifacts = await checkArtifacts(pool, named, roots, this.findings, signal, this.#report('audit-files'))
  }

  #report(phase: AuditProgress['phase']): (done: number, total: number) => void {
    return (done, total) => this.#options.onProgress({ phase, done, total })
  }

  report(elapsedMs: number): AuditReport {
    const { since } = this.#options
    const { faults, more, gaps } = this.findings
    const { releases = 0, indexBytes = 0, signers = new Map() } = this.#walk ?? {}
    const walkedSeconds = Math.max(this.#walkedMs, 1) / 1000
    return {
      ok: faults.length === 0 && gaps.length === 0,
      id: this.#log.id,
      releases,
      first: releases === 0 ? 0 : since,
      last: releases === 0 ? 0 : since + releases - 1,
      sample: this.#sample,
      blocks: this.#tree?.length ?? 0,
      logBytes: this.#tree?.byteLength ?? 0,
      indexBytes,
      lookupBlocks: this.#lookupBlocks,
      artifacts: this.#artifacts,
      signers: [...signers.values()],
      failures: faults,
      failuresMore: more,
      unchecked: gaps,
      elapsedMs: Math.round(elapsedMs),
      releasesPerSecond: releases / walkedSeconds,
      indexBytesPerSecond: indexBytes / walkedSeconds,
    }
  }
}
