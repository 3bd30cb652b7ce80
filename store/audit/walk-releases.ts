/**
 * Goes through a log from release to release and holds each against what stands before it.
 *
 * Owns what is carried along: the known history, the packages and where their stanzas stand, the text of every index file,
 * the look-up index built again. What does not hold is noted and the walk goes on, unless nothing could be said after it.
 * The signature of one release is judged while the next one is read.
 */
import { createHash } from 'node:crypto'
import type { Manifest } from 'hypercore'
import type { AuditSigner } from '../../schemas/audit-report.ts'
import type { IndexFile, Release } from '../../schemas/events.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { AUDIT_TEXT_BYTES_MAX, INDEX_BYTES_MAX } from '../../schemas/limits.ts'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import { digestHex } from '../../schemas/units.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { IndexChanges } from '../package-index.ts'
import { checkLink, readRelease } from '../release-block.ts'
import type { ReadRelease } from '../release-block.ts'
import { foldRelease } from '../release-fold.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { NamedArtifact } from './check-artifacts.ts'
import { checkCuration, foldFork, forkLookupChanges, scriptsFromBefore } from './check-fork.ts'
import type { AuditedUpstream } from './check-fork.ts'
import { checkContents } from './check-contents.ts'
import { CuratedReleases } from './check-curated.ts'
import { checkGathering } from './check-gathering.ts'
import { checkHeadBefore } from './check-heads.ts'
import { NOTHING_TAKEN, readTakenOver } from './check-metadata.ts'
import type { FixedMetadata } from './check-metadata.ts'
import { checkNote } from './check-note.ts'
import { checkReleaseRoots } from './check-release-roots.ts'
import { compareLookups } from './compare-lookups.ts'
import type { Findings } from './findings.ts'
import { IndexText } from './index-text.ts'
import type { KnownHistory } from './known-history.ts'
import { logUnits } from './log-units.ts'
import type { NoteUnit, ReleaseUnit } from './log-units.ts'
import { PlacedPackages } from './placed-packages.ts'
import type { PlacedChanges } from './placed-packages.ts'
import type { RebuiltLookup } from './rebuilt-lookup.ts'
import type { RebuiltTree } from './rebuild-tree.ts'
import { checkSignedIndex } from './signed-index.ts'
import type { SignatureJudge } from './signed-index.ts'
import { StanzaCache } from './stanza-cache.ts'

export interface WalkInput {
  readonly log: ReleaseLog
  readonly manifest: Manifest | null
  readonly tree: RebuiltTree
  /** The first block that the walk must not read: the end, or one that is damaged. */
  readonly until: number
  readonly known: KnownHistory
  /** Of a fork. */
  readonly upstream: AuditedUpstream | null
  readonly lookup: RebuiltLookup
  readonly isChosen: (release: number) => boolean
  readonly judge: SignatureJudge
  readonly isInPool: (digest: DigestHex) => boolean
  readonly findings: Findings
  readonly signal: AbortSignal
  readonly onProgress: (block: number) => void
}

export class ReleaseWalk {
  readonly #input: WalkInput
  readonly #stanzas: StanzaCache
  readonly #curated: CuratedReleases
  /** Null once a stanza could not be read. */
  #placed: PlacedPackages | null
  readonly #texts = new Map<string, IndexText>()
  /** False once the look-up index is known to be another one. */
  #isLookupRight = true
  /** The signature of the release before. */
  #pending: Promise<void> = Promise.resolve()
  releases = 0
  indexBytes = 0
  /** Files of the pool that the releases name. */
  readonly named = new Map<DigestHex, NamedArtifact>()
  readonly signers = new Map<string, AuditSigner>()
  /** Notes that fix the metadata. */
  readonly metadata: FixedMetadata[] = []

  constructor(input: WalkInput) {
    this.#input = input
    this.#stanzas = new StanzaCache(input.log)
    this.#placed = new PlacedPackages(this.#stanzas)
    this.#curated = new CuratedReleases(input.log, this.#stanzas)
  }

  /** As far as it came. */
  get maintainers(): readonly Maintainer[] {
    const { maintainers, inherited } = this.#input.known
    return [...maintainers, ...inherited]
  }

  get roots(): ReadonlyMap<DigestHex, Buffer> {
    return this.#input.known.roots
  }

  /** @returns whether everything up to `until` could be gone through. */
  async run(): Promise<boolean> {
    const { log, until, known, findings, signal, onProgress } = this.#input
    try {
      await this.#begin()
      for await (const unit of logUnits(log, known.length, until, findings)) {
        if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the audit was interrupted')
        if (unit.kind === 'note') await this.#note(unit)
        else if (!(await this.#release(unit))) return false
        onProgress(unit.block)
      }
      return known.length >= until
    } finally {
      await this.#pending
    }
  }

  async #note({ kind, block, note, stateBlock }: NoteUnit): Promise<void> {
    const { log, known, findings } = this.#input
    const takenOver = note.type === 'metadata' ? await readTakenOver(log, { block, note }, findings) : NOTHING_TAKEN
    checkNote({ kind, block, note, stateBlock }, known, takenOver, findings)
    if (note.type === 'metadata') this.metadata.push({ block, note, stateBlock })
  }

  /** Takes up the release that is taken for granted. */
  async #begin(): Promise<void> {
    const { plan } = this.#input.known
    if (plan === null) return
    for (const { path, runs } of plan.indexes) this.#texts.set(path, new IndexText(runs))
    const asScripts = plan.indexes.map(({ path, byteLength, digest, runs }) => ({
      path,
      byteLength,
      digest: Buffer.from(digest, 'hex'),
      script: runs.map((run) => ({ op: 'insert' as const, ...run })),
    }))
    const changes = await this.#advancePlaced(asScripts, plan.release.block, plan.release.number)
    this.#nameArtifacts(changes, plan.release.number)
  }

  /** @returns whether the walk can go on. */
  async #release(unit: ReleaseUnit): Promise<boolean> {
    const { log, manifest, tree, known, upstream, isChosen, findings } = this.#input
    const { block, base } = unit
    const read = await readRelease(log, block).catch((error: unknown) =>
      findings.refused('EVENT_INVALID', { block }, error),
    )
    if (read === undefined) return false
    const { release } = read
    const { number } = release
    checkHeadBefore(log.core, manifest, tree, { base, block, release }, findings)
    findings.attempt('CHAIN_BROKEN', { block, release: number }, () => checkLink(read, known.plan?.release ?? null))
    const placed = this.#placed
    await checkContents(log, unit, known, placed === null ? null : (digest) => placed.has(digest), findings)
    await checkGathering(log, unit, known, findings)
    this.#checkPositions(unit, release)
    const before = known.plan
    const isFork = upstream !== null || release.upstream !== null
    const plan = isFork
      ? await foldFork(before, read, upstream, findings)
      : findings.attempt('SCRIPT_INVALID', { block, release: number }, () => foldRelease(before, read))
    if (plan === undefined) return false
    if (isFork) await checkCuration(log, unit, read, known, findings)
    const indexes = isFork ? scriptsFromBefore(before, plan) : release.indexes
    const changes = await this.#advancePlaced(indexes, block, number)
    if (isFork && isChosen(number) && this.#placed !== null) {
      await this.#curated.check(plan, known.curationBlock, this.#placed, findings)
    }
    checkReleaseRoots({ block, release }, this.#placed, known, findings)
    this.#nameArtifacts(changes, number)
    this.#applyScripts(indexes)
    if (isChosen(number) && changes !== null) {
      const said = isFork ? await forkLookupChanges(before, plan, this.#stanzas) : changes
      await this.#checkLookup(release, said, block)
    }
    await this.#checkTexts(read, isChosen(number))
    known.plan = plan
    known.lookup = release.index
    known.tail.push(plan.release)
    known.length = block + 1
    this.releases++
    return true
  }

  #checkPositions(unit: ReleaseUnit, { number, signedIndexBlock, chapterBlock, noteBlock }: Release): void {
    const { known, findings } = this.#input
    const position = { block: unit.block, release: number }
    if (signedIndexBlock !== unit.signedIndexBlock) {
      findings.fault('ORDER_WRONG', `release ${number} names another signed index than stands before it`, position)
    }
    if (chapterBlock !== (known.chapterBlocks.at(-1) ?? 0)) {
      findings.fault('CHAPTER_WRONG', `release ${number} names another chapter than stands before it`, position)
    }
    if (noteBlock !== known.noteBlock) {
      findings.fault('NOTE_WRONG', `release ${number} names another note than stands before it`, position)
    }
  }

  async #advancePlaced(after: readonly IndexFile[], block: number, release: number): Promise<PlacedChanges | null> {
    const { known, findings } = this.#input
    const before = known.plan?.release.number === release ? [] : (known.plan?.indexes ?? [])
    try {
      return (await this.#placed?.advance(before, after)) ?? null
    } catch (error) {
      this.#placed = null
      if (!(error instanceof FreshetError)) throw error
      const { ordinal, block: at } = error.detail
      if (typeof ordinal !== 'number') findings.refused('SCRIPT_INVALID', { block, release }, error)
      else findings.refused('STANZA_INVALID', { block: Number(at), release, stanza: ordinal }, error)
      findings.gap('CHECK_STOPPED', `the look-up index was not built again from release ${release} on`, {
        block,
        release,
      })
      return null
    }
  }

  #nameArtifacts(changes: PlacedChanges | null, release: number): void {
    for (const { digest, byteLength } of changes?.added ?? []) {
      if (!this.named.has(digest) && this.#input.isInPool(digest)) this.named.set(digest, { byteLength, release })
    }
  }

  /** They fit: the release was folded. */
  #applyScripts(indexes: readonly IndexFile[]): void {
    const paths = new Set(indexes.map(({ path }) => path))
    for (const path of this.#texts.keys()) if (!paths.has(path)) this.#texts.delete(path)
    for (const { path, script } of indexes) {
      const text = this.#texts.get(path) ?? new IndexText([])
      this.#texts.set(path, text)
      text.apply(script)
    }
  }

  /** One fault: every later tree differs because this one does. */
  async #checkLookup(release: Release, changes: IndexChanges, block: number): Promise<void> {
    const { log, lookup, known, findings } = this.#input
    if (!this.#isLookupRight) return
    const { number, index } = release
    const published = await log.indexCore()
    if (known.lookup !== null) await lookup.adopt(published, known.lookup.length)
    this.#isLookupRight = known.lookup === null || (await lookup.is(known.lookup))
    if (this.#isLookupRight) {
      await lookup.advance(number, changes)
      this.#isLookupRight = await lookup.is(index)
    }
    if (this.#isLookupRight) return
    const message = `the look-up index that release ${number} names is not the one that the log gives`
    findings.fault('LOOKUP_HEAD_WRONG', message, { block, release: number })
    const isThere = published.length >= index.length && (await published.treeHash(index.length)).equals(index.treeHash)
    if (isThere) await compareLookups({ core: published, length: index.length }, lookup.core, number, findings)
  }

  /** The texts now; the signature is judged while the next release is read. */
  async #checkTexts({ release, summary }: ReadRelease, isChosen: boolean): Promise<void> {
    const { log, judge, findings } = this.#input
    if (isChosen && this.#isBounded(release, summary.block)) {
      for (const index of release.indexes) await this.#checkText(index, summary.block, release.number)
    }
    await this.#pending
    this.#pending = checkSignedIndex(log, release, judge, findings).then((verdict) => {
      if (verdict?.kind === 'good') this.#noteSigners(verdict.signers, verdict.channelKey)
    })
    this.#pending.catch(() => {}) // reported where it is awaited
  }

  #isBounded({ indexes, number }: Release, block: number): boolean {
    const total = indexes.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (total <= AUDIT_TEXT_BYTES_MAX && indexes.every(({ byteLength }) => byteLength <= INDEX_BYTES_MAX)) return true
    const message = `release ${number} states index files of ${total} bytes, which is beyond the bound`
    this.#input.findings.fault('INDEX_FILE_WRONG', message, { block, release: number })
    return false
  }

  async #checkText(index: IndexFile, block: number, release: number): Promise<void> {
    const { findings } = this.#input
    const { path, byteLength } = index
    const position = { block, release, path, stanza: firstChange(index) }
    try {
      const text = await (this.#texts.get(path) as IndexText).make(this.#stanzas, byteLength)
      this.indexBytes += byteLength
      const digest = createHash('sha256').update(text).digest()
      if (digest.equals(index.digest)) return
      const message = `${path} of release ${release} comes out with SHA-256 ${digestHex(digest)}; it differs from stanza ${position.stanza} on`
      findings.fault('INDEX_FILE_WRONG', message, position)
    } catch (error) {
      findings.refused('INDEX_FILE_WRONG', position, error)
    }
  }

  #noteSigners(fingerprints: readonly string[], channelKey: boolean): void {
    for (const fingerprint of fingerprints) {
      const releases = (this.signers.get(fingerprint)?.releases ?? 0) + 1
      this.signers.set(fingerprint, { fingerprint, releases, channelKey })
    }
  }
}

/** Ordinal of the first stanza that a release touches: what stands before it was right already. */
function firstChange({ script }: IndexFile): number {
  const [first] = script
  return first?.op === 'keep' ? first.count : 0
}
