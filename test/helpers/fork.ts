/** A fork of a TestChannel in the same store, below the level of nodes: changed by edits, moved to upstream's releases. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { NO_CHANGES } from '../../schemas/curate.ts'
import { seenFromFork } from '../../schemas/chain-position.ts'
import type { CuratedPackage, Decision, ForkChanges, StanzaPlace } from '../../schemas/curate.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { digestHex } from '../../schemas/units.ts'
import { readPackageStanza } from '../../schemas/stanza.ts'
import type { CurationBefore } from '../../schemas/release-draft.ts'
import { composeRelease, type ComposedRelease } from '../../store/compose-release.ts'
import { ownPackages, readChanges, readCuration } from '../../store/curation.ts'
import { History } from '../../store/history.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { readRelease } from '../../store/release-block.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { Snapshot } from '../../store/snapshot.ts'
import { readStanzas } from '../../store/stanza-file.ts'
import { curateSnapshot, decideSnapshot, readUpstream } from '../../store/upstream-indexes.ts'
import { draftOf, type Indexes, MAIN, NO_ROOTS, PUBLISHED_AT_MS, scratchFolder, sha256 } from './channel.ts'
import type { TestChannel } from './channel.ts'

/** What a fork can stand on: a channel, or another fork. */
export type Upstream = Pick<TestChannel, 'store' | 'log' | 'history' | 'files'>

/** A package of the fork, as `stanza` writes it. */
export function curated(text: string, path = MAIN): CuratedPackage {
  const bytes = Buffer.from(text)
  return { ...readPackageStanza(bytes, 0, bytes.length, 'test'), path, text: bytes, place: null }
}

export class TestFork {
  readonly store: TestChannel['store']
  readonly upstream: Upstream
  readonly log: ReleaseLog
  readonly history: History
  readonly files: IndexFiles

  private constructor(upstream: Upstream, log: ReleaseLog, files: IndexFiles) {
    this.store = upstream.store
    this.upstream = upstream
    this.log = log
    this.files = files
    this.history = readerOf(log, upstream)
  }

  static async create(t: Assert, upstream: Upstream, name = 'fork'): Promise<TestFork> {
    const { newest } = upstream.history
    const { number = 0, block = 0, hash = Buffer.alloc(32) } = newest ?? {}
    const treeHash =
      newest === null ? Buffer.alloc(32) : (await readRelease(upstream.log, block)).release.headBefore.treeHash
    const named = { key: upstream.log.core.key, number, block, hash, treeHash }
    const keepKey = async (): Promise<void> => {}
    const log = await ReleaseLog.create(upstream.store, name, Buffer.from('key'), PUBLISHED_AT_MS, keepKey, named)
    return new TestFork(upstream, log, await IndexFiles.open(join(await scratchFolder(t), 'indexes')))
  }

  /** As it is in the log by now. */
  async changes(): Promise<ForkChanges> {
    const before = await this.#before()
    return before === null ? NO_CHANGES : readChanges(this.log, before.curation)
  }

  /** Stands on release `number` of upstream with `changes`. @param said instead, in its curation. */
  async publish(
    number: number,
    changes: ForkChanges,
    said: ForkChanges = changes,
  ): Promise<{ composed: ComposedRelease; decisions: readonly Decision[] }> {
    const { log, history } = this
    const plan = await this.upstream.history.plan(number)
    const snapshot = await Snapshot.open(this.upstream.log, this.upstream.files, plan)
    const upstream = await readUpstream(snapshot)
    await snapshot.close()
    const indexes = curateSnapshot(upstream, changes).map((file) => ({
      ...file,
      digest: digestHex(sha256(Buffer.concat(file.texts))),
    }))
    const decisions = decideSnapshot(upstream, changes)
    const { block, hash } = plan.release
    const basis = { upstream: { number, block, hash }, indexes, changes: said, before: await this.#before() }
    const texts = Object.fromEntries(indexes.map((file) => [file.path, Buffer.concat(file.texts).toString('latin1')]))
    const draft = { ...draftOf(texts, { ownRelease: true }), indexes: [], basis }
    const publishedAtMs = PUBLISHED_AT_MS + 1000 * (history.newest?.number ?? 0)
    const before = await this.#releaseBefore()
    const composed = await composeRelease({ base: log.length, before, draft, publishedAtMs })
    await log.append(composed, Promise.resolve(NO_ROOTS))
    await history.advance()
    return { composed, decisions }
  }

  /** A stanza that release `number` of upstream has, as a pin names it. */
  async packageOf(number: number, name: string, text: string): Promise<CuratedPackage> {
    const snapshot = await Snapshot.open(
      this.upstream.log,
      this.upstream.files,
      await this.upstream.history.plan(number),
    )
    const [found] = await snapshot.byName(name)
    await snapshot.close()
    const { block = 0, ordinal = 0 } = found ?? {}
    const before = snapshot.indexes[0]?.runs ?? []
    return { ...curated(text), place: placeAt(before, ordinal, block) }
  }

  /** Every index file of release `number`, rebuilt from the logs alone. */
  async rebuilt(t: Assert, number: number): Promise<Indexes> {
    const history = readerOf(this.log, this.upstream)
    await history.advance()
    return rebuild(t, this.log, await history.plan(number))
  }

  async #releaseBefore() {
    const { newest } = this.history
    if (newest === null) return null
    const plan = await this.history.plan(newest.number)
    const snapshot = await Snapshot.open(this.log, this.files, plan)
    const files = new Map(snapshot.indexes.map(({ path, filePath }) => [path, filePath]))
    await snapshot.close()
    return {
      plan,
      stanzas: (path: string) => readStanzas(files.get(path) as string),
      contents: await this.history.contents(),
    }
  }

  async #before(): Promise<CurationBefore | null> {
    const { newest } = this.history
    if (newest === null) return null
    const { release } = await readRelease(this.log, newest.block)
    const block = release.upstream?.curationBlock ?? 0
    if (block === 0) return null
    const curation = await readCuration(this.log, block)
    const { indexes } = await this.history.plan(newest.number)
    return { block, curation, packages: ownPackages(await readChanges(this.log, curation), indexes) }
  }
}

/** Where stanza `index` of an index file stands, as a fork sees it. */
function placeAt(runs: readonly Run[], index: number, block: number): StanzaPlace {
  let start = 0
  for (const run of runs) {
    if (index < start + run.count) return { block: seenFromFork(block), ordinal: run.first + index - start }
    start += run.count
  }
  throw new Error(`there is no stanza ${index}`)
}

/** A history that has read nothing yet. */
export function readerOf(log: ReleaseLog, upstream: Upstream): History {
  log.upstream = upstream.log
  const history = new History(log)
  const above = new History(upstream.log)
  above.upstream = upstream.history.upstream
  history.upstream = above
  return history
}

async function rebuild(t: Assert, log: ReleaseLog, plan: SnapshotPlan): Promise<Indexes> {
  const files = await IndexFiles.open(join(await scratchFolder(t), 'rebuilt'))
  const snapshot = await Snapshot.open(log, files, plan)
  const upstream = await readUpstream(snapshot)
  await snapshot.close()
  return Object.fromEntries(upstream.map(({ path, bytes }) => [path, bytes.toString()]))
}
