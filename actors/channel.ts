/**
 * One channel on this node: its log, its history, and the snapshot that is served.
 *
 * Holds the effects that the ports of actors/follow-channel.ts need; decides nothing.
 */
import { bundleArtifacts } from '../store/bundle-artifacts.ts'
import { untilReaches } from '../store/chain-blocks.ts'
import { History } from '../store/history.ts'
import type { IndexFiles } from '../store/index-files.ts'
import { forkVersionRanges } from '../store/fork-versions.ts'
import { stanzasThrough, versionRanges } from '../store/package-history.ts'
import { readStanzaHistory } from '../store/stanza-history.ts'
import type { HistoryReading, StanzaHistory } from '../store/stanza-history.ts'
import type { LoggedStanza, VersionRanges } from '../store/package-history.ts'
import type { PackageIndex } from '../store/package-index.ts'
import { readRelease } from '../store/release-block.ts'
import type { ReleaseSummary } from '../store/release-block.ts'
import type { Store } from '../store/open-store.ts'
import type { ReadOptions, ReleaseLog } from '../store/release-log.ts'
import { Snapshot } from '../store/snapshot.ts'
import type { SnapshotProgress } from '../store/snapshot.ts'
import { levelOf, seenFromUpstream } from '../schemas/chain-position.ts'
import type { Artifact } from '../schemas/artifact.ts'
import { cutBundles, type BundlePlace } from '../schemas/bundle-files.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { expectEvent } from '../schemas/events.ts'
import type { Genesis } from '../schemas/events.ts'
import { LEAF_BYTES, OPEN_SNAPSHOTS_MAX, PIECE_BYTES, UPSTREAMS_MAX } from '../schemas/limits.ts'
import { usableMirrors } from '../schemas/mirror-url.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { Misdeed } from '../store/evidence.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import type { When } from '../schemas/when.ts'
import type { Withdrawal, Withdrawals } from '../schemas/withdrawal.ts'
import { ChannelMetadata } from './channel-metadata.ts'
import { ChannelRollouts } from './channel-rollouts.ts'
import { unlessNoteFails } from './unless-note-fails.ts'

/** The look-up index as of one release of the log. */
export interface ChannelIndex {
  readonly number: number
  readonly index: PackageIndex
}

/** Stanzas of many releases, in a file as an index has them. */
export type StanzasOver = Pick<StanzaHistory, 'spans'> & { readonly filePath: string }

/** What a release says about the packages of one name. */
export interface NamedPackages {
  readonly release: ReleaseSummary
  readonly stanzas: readonly LoggedStanza[]
}

/** `upstream`: a fork that is followed here, or made here, is made of its blocks; its releases are not rebuilt. */
export type ChannelRole = 'publisher' | 'follower' | 'upstream'

/** How a fork finds its upstreams on this node. */
export interface Upstreams {
  /** The channel of this key; one that was not known here is followed from now on. */
  readonly find: (key: KeyHex) => Promise<Channel>
  /** @throws FreshetError EQUIVOCATION, HISTORY_REWRITE when it was stopped. */
  readonly requireRunning: (channel: Channel) => void
}

/** Where a package is named: in the log of a channel, or of one of its upstreams. */
export interface PackageOrigin {
  readonly channel: Channel
  readonly block: number
}

export class Channel {
  /** Unique on this node. The id, until a channel followed without a name has told its own. */
  name: string
  role: ChannelRole
  readonly log: ReleaseLog
  readonly history: History
  readonly metadata: ChannelMetadata
  readonly rollouts: ChannelRollouts
  readonly #files: IndexFiles
  readonly #upstreams: Upstreams
  #upstream: Channel | null = null
  #genesis: Genesis | null = null
  #mirrors: readonly string[] = []
  #withdrawn: Withdrawals = new Map()
  #current: Snapshot | null = null
  #index: ChannelIndex | null = null
  /** Past snapshots that somebody asked for, least recently used first. */
  readonly #past = new Map<number, Promise<Snapshot>>()
  /** One at a time: an import and a head that arrives may both ask, and the older release must not come out on top. */
  #prepared: Promise<unknown> = Promise.resolve()
  readonly #contradicted = new AbortController()
  /** Versions were withdrawn that this process did not know of. */
  onWithdrawn: () => void = () => {}
  /** Reports of a rebuild under way, for progress bars. */
  onProgress: (progress: SnapshotProgress) => void = () => {}

  constructor(name: string, role: ChannelRole, log: ReleaseLog, files: IndexFiles, store: Store, upstreams: Upstreams) {
    this.#upstreams = upstreams
    this.name = name
    this.role = role
    this.log = log
    this.history = new History(log)
    this.metadata = new ChannelMetadata(store, log, this.history)
    this.rollouts = new ChannelRollouts(this.history)
    this.#files = files
  }

  get key(): KeyHex {
    return this.log.key
  }

  /** Aborts, with the code as its reason, when the channel's key was found to contradict itself. */
  get contradicted(): AbortSignal {
    return this.#contradicted.signal
  }

  contradict(code: Misdeed): void {
    this.#contradicted.abort(code)
  }

  /** Null until the first block has arrived in this session. */
  get genesis(): Genesis | null {
    return this.#genesis
  }

  /** Of a fork, once it was found; null for any other channel. */
  get upstream(): Channel | null {
    return this.#upstream
  }

  get current(): Snapshot | null {
    return this.#current
  }

  /** Releases beyond the one that is served, up to the newest that this node is offered. */
  get behind(): number {
    return this.role === 'upstream' ? 0 : this.offered - (this.#current?.release.number ?? 0)
  }

  /** Number of the release that this node is to have: of an upstream, the newest that everybody is offered. 0: none. */
  get offered(): number {
    if (this.role === 'upstream') return this.rollouts.offeredToAll
    return this.rollouts.offered(this.#current?.release.number ?? 0)
  }

  /** HTTP mirrors that the log names, as far as they can be used. */
  get mirrors(): readonly string[] {
    return this.#mirrors
  }

  /** Versions that the publisher took back, by NAME=VERSION. */
  get withdrawn(): Withdrawals {
    return this.#withdrawn
  }

  /** The same for what was withdrawn. @returns what was not known before. */
  async readWithdrawn(options: ReadOptions = {}): Promise<Withdrawal[]> {
    const before = this.#withdrawn
    this.#withdrawn = await this.history.withdrawn(options)
    return [...this.#withdrawn].filter(([name]) => !before.has(name)).map(([, withdrawal]) => withdrawal)
  }

  /** After a note was read, or written here. */
  async readMirrors(options: ReadOptions = {}): Promise<void> {
    this.#mirrors = usableMirrors((await this.history.mirrors(options)) ?? [])
  }

  /** After a restart: the release that was ready, from this disk alone. */
  async restore(block: number): Promise<void> {
    await this.link({ local: true })
    await this.history.advance(block, { local: true })
    await unlessNoteFails(this.readMirrors({ local: true }))
    await unlessNoteFails(this.readWithdrawn({ local: true }))
    await unlessNoteFails(this.metadata.follow({ local: true }))
    if (this.role !== 'upstream') await this.#serve(await this.history.resolve({ kind: 'newest' }))
    await unlessNoteFails(this.history.advance(null, { local: true }).then(() => this.rollouts.read({ local: true })))
  }

  /**
   * Finds the upstreams of a fork, as far up as there are any.
   * @param below keys of the forks that led here.
   * @throws FreshetError FORK_CYCLE; EQUIVOCATION, HISTORY_REWRITE when an upstream was stopped; NO_PEERS.
   */
  async link(options: ReadOptions = {}, below: readonly KeyHex[] = []): Promise<void> {
    await untilReaches(this.log, 0, options)
    const { upstream: named } = expectEvent('genesis', await this.log.event(0, options), 0)
    if (named === null) return
    const chain = [...below, this.key]
    const key = keyHex(named.key)
    if (chain.includes(key) || chain.length > UPSTREAMS_MAX) {
      const message = `the upstreams of ${this.name} lead back to where they began, or are more than ${UPSTREAMS_MAX}`
      throw new FreshetError('FORK_CYCLE', message, { upstream: key })
    }
    const upstream = this.#upstream ?? (await this.#upstreams.find(key))
    // What was ready is served again after a start, whatever became of upstream since.
    if (options.local !== true) this.#upstreams.requireRunning(upstream)
    await upstream.link(options, chain)
    this.log.upstream = upstream.log
    this.history.upstream = upstream.history
    this.metadata.upstream = upstream.metadata
    this.#upstream = upstream
  }

  /** Who brought the stanza at `block`: peers and mirrors of that channel have its file. */
  origin(block: number): PackageOrigin {
    if (levelOf(block) === 0) return { channel: this, block }
    if (this.#upstream !== null) return this.#upstream.origin(seenFromUpstream(block))
    throw new FreshetError('EVENT_INVALID', `${this.name} has no upstream`, { block })
  }

  /** Reads what is new in the log and makes the newest release ready that is offered. @returns it; null: there is none yet. */
  prepare(): Promise<ReleaseSummary | null> {
    const preparing = this.#prepared.then(() => this.#prepare())
    this.#prepared = preparing.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return preparing
  }

  async #prepare(): Promise<ReleaseSummary | null> {
    this.#genesis = await this.log.genesis() // also lints the manifest, which comes with the first proof
    await this.log.rotation() // fetches the note that may end the log, and refuses a release after it
    await this.link()
    await this.history.advance()
    const before = this.rollouts.known
    await this.rollouts.read()
    const { offered } = this
    const chosen = offered === 0 ? null : await this.history.summary(offered)
    if (this.role !== 'upstream' && chosen !== null && offered !== this.#current?.release.number)
      await this.#serve(chosen)
    this.rollouts.onRead(before)
    // Brings the notes here, so that a tag resolves, and mirrors are known, without peers.
    await unlessNoteFails(this.history.tags())
    await unlessNoteFails(this.readMirrors())
    await unlessNoteFails(this.metadata.follow())
    await unlessNoteFails(this.#noteWithdrawn())
    return chosen
  }

  async #noteWithdrawn(): Promise<void> {
    if ((await this.readWithdrawn()).length > 0) this.onWithdrawn()
  }

  /** @throws FreshetError NO_RELEASE, RELEASE_UNKNOWN, and what rebuilding throws. */
  async snapshot(when: When): Promise<Snapshot> {
    const current = this.#current
    if (when.kind === 'newest') {
      if (current !== null) return current
      throw new FreshetError('NO_RELEASE', `channel ${this.name} has no release ready yet`)
    }
    const { number } = await this.history.resolve(when)
    if (current !== null && number === current.release.number) return current
    return this.#pastSnapshot(number)
  }

  /**
   * A snapshot for one reader, who closes it: it stays whole however many others are asked for meanwhile.
   * @throws as `snapshot`.
   */
  async openSnapshot(when: When): Promise<Snapshot> {
    const { number } = when.kind === 'newest' ? (await this.snapshot(when)).release : await this.history.resolve(when)
    return Snapshot.open(this.log, this.#files, await this.history.plan(number), this.onProgress)
  }

  /**
   * Packages called `name` in a release: from its snapshot where that is open, else through the index, without rebuilding it.
   * @throws FreshetError NO_RELEASE, RELEASE_UNKNOWN, NO_PEERS, and what rebuilding throws where the index does not help.
   */
  async packagesNamed(when: When, name: string): Promise<NamedPackages> {
    const release = when.kind === 'newest' ? (await this.snapshot(when)).release : await this.history.resolve(when)
    const { number } = release
    const isOpen = number === this.#current?.release.number || this.#past.has(number)
    const found = isOpen ? null : await this.#throughIndex(number, name)
    const stanzas = found ?? (await (await this.snapshot({ kind: 'number', number })).byName(name))
    return { release, stanzas }
  }

  /** @returns null where the index does not say, or cannot be had: a release does not depend on it. */
  async #throughIndex(number: number, name: string): Promise<LoggedStanza[] | null> {
    const plan = await this.history.plan(number)
    if (plan.upstream !== null) return null // the index of a fork knows its own packages only
    try {
      const { index, number: newest } = await this.index()
      return await stanzasThrough(index, newest, { log: this.log, plan }, name)
    } catch (error) {
      if (['INDEX_INVALID', 'NO_PEERS'].includes(asFreshetError(error).code)) return null
      throw error
    }
  }

  /**
   * BEP 52 pieces root of a package's file, or null where nobody knows one or it is a single block. A file of a single piece can do
   * without, as its SHA-256 checks it: nobody waits for old blocks of the log then.
   */
  async rootOf(
    { number }: Pick<ReleaseSummary, 'number'>,
    { digest, block, byteLength }: Pick<LoggedStanza, 'digest' | 'block' | 'byteLength'>,
  ): Promise<Buffer | null> {
    if (byteLength <= LEAF_BYTES) return null
    const plan = await this.history.plan(number)
    if (byteLength > PIECE_BYTES) return this.history.rootOf(plan, digest, block)
    try {
      return await this.history.rootOf(plan, digest, block, { local: true })
    } catch (error) {
      if (asFreshetError(error).code === 'NO_PEERS') return null
      throw error
    }
  }

  /**
   * Files of one bundle; null: the log has no such bundle, or, where only this disk is looked at, it is not here.
   * @throws FreshetError EVENT_INVALID, STANZA_*; NO_PEERS.
   */
  async bundle({ block, part }: BundlePlace, options: ReadOptions = {}): Promise<readonly Artifact[] | null> {
    const { newest } = this.history
    if (newest === null || block === 0 || block >= newest.block) return null
    try {
      const plan = await this.history.plan(newest.number)
      return cutBundles(await bundleArtifacts(this.log, this.history, plan, block, options))[part] ?? null
    } catch (error) {
      if (options.local === true && asFreshetError(error).code === 'NO_PEERS') return null
      throw error
    }
  }

  /**
   * Every stanza that a range of releases held, in a file.
   * @throws as readStanzaHistory, and as writing a file does.
   */
  async stanzasOver(range: ReleaseRange, reading: HistoryReading): Promise<StanzasOver> {
    const { text, spans } = await readStanzaHistory(this.log, this.history, range, reading)
    return { filePath: await this.#files.keep(text), spans }
  }

  /** The look-up index as of the newest release of the log. @throws FreshetError NO_RELEASE, NO_PEERS, INDEX_INVALID. */
  async index(): Promise<ChannelIndex> {
    const { number, block } = await this.history.resolve({ kind: 'newest' })
    if (this.#index?.number === number) return this.#index
    const { release } = await readRelease(this.log, block)
    const opened = { number, index: await this.log.indexAt(release.index) }
    this.#index = opened
    return opened
  }

  /** Every version of a package that a release held. @throws FreshetError NO_RELEASE, NO_PEERS, INDEX_INVALID. */
  async versions(name: string): Promise<readonly VersionRanges[]> {
    const { index, number } = await this.index()
    if (this.#upstream === null) return versionRanges(index, name, number)
    const indexes = [index]
    for (let above: Channel | null = this.#upstream; above !== null; above = above.upstream) {
      indexes.push((await above.index()).index)
    }
    return forkVersionRanges(indexes, this.history, name)
  }

  /** The log first: what still waits for blocks of it ends then. */
  async close(): Promise<void> {
    await this.log.close()
    await this.#prepared
    await this.metadata.close()
    await this.#current?.close()
    for (const past of await Promise.allSettled(this.#past.values())) {
      if (past.status === 'fulfilled') await past.value.close()
    }
  }

  async #serve({ number }: ReleaseSummary): Promise<void> {
    const next = await Snapshot.open(this.log, this.#files, await this.history.plan(number), this.onProgress)
    const before = this.#current
    this.#current = next
    // Clients that are pinned to the release before go on reading it; it leaves with the least recently used.
    if (before !== null) this.#keepPast(before.release.number, Promise.resolve(before))
  }

  #pastSnapshot(number: number): Promise<Snapshot> {
    const known = this.#past.get(number)
    if (known !== undefined) {
      this.#past.delete(number)
      this.#past.set(number, known)
      return known
    }
    const opening = this.history
      .plan(number)
      .then((plan) => Snapshot.open(this.log, this.#files, plan, this.onProgress))
    this.#keepPast(number, opening)
    opening.catch(() => this.#past.delete(number)) // the caller sees the error; the next one tries again
    return opening
  }

  #keepPast(number: number, snapshot: Promise<Snapshot>): void {
    this.#past.set(number, snapshot)
    for (const [oldest, opened] of this.#past) {
      if (this.#past.size <= OPEN_SNAPSHOTS_MAX) return
      this.#past.delete(oldest)
      void opened.then((least) => least.close()).catch(() => {}) // nobody waits for a snapshot that failed to open
    }
  }
}
