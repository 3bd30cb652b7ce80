/**
 * One channel's signed log and, on the publisher, its Hyperbee index: create, open, read a block, append a release.
 *
 * Owns the two Hypercores. Refuses to follow a rewrite (Store.core sees to that), and to append unless the log is as long as the
 * release was made for.
 */
import { once } from 'node:events'
import type Hypercore from 'hypercore'
import { id as idEncoding } from './identity.ts'
import { decodeEvent, encodeEvent, expectEvent } from '../schemas/events.ts'
import type { ChannelEvent, Genesis, Release } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { BLOCK_WAIT_MS, TRAILING_BLOCKS_MAX } from '../schemas/limits.ts'
import type { SignedHead } from '../schemas/evidence.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { locateBlock, requestBlocks } from './chain-blocks.ts'
import { headEvidence } from './head-evidence.ts'
import { lintManifest } from './lint-manifest.ts'
import { isNote } from './notes.ts'
import type { Note } from './notes.ts'
import type { Store } from './open-store.ts'
import { PackageIndex } from './package-index.ts'
import type { IndexChanges } from './package-index.ts'
import { signersOf, quorumOf } from './quorum.ts'
import type { Quorum } from './quorum.ts'
import { foundLog, QuorumLog } from './quorum-log.ts'
import { readBlock } from './read-block.ts'
import { within } from './within.ts'

export interface ReadOptions {
  /** Only look on this disk. */
  readonly local?: boolean
}

/** What `append` writes: blocks in log order, the first at position `base`, and the release that ends them. */
export interface ReleaseBlocks {
  readonly base: number
  readonly blocks: readonly Buffer[]
  readonly release: Omit<Release, 'index' | 'headBefore' | keyof NewRoots | 'verdicts'>
  readonly changes: IndexChanges
}

/** Where a log names its successor. */
export interface Rotation {
  readonly block: number
  readonly successor: Buffer
}

/** Piece roots that come with a release. Hashing the files goes on while the index is written. */
export type NewRoots = Pick<Release, 'roots' | 'lateRoots'>

/** What a release says that may be found out while its index is written. */
export interface LateFindings extends NewRoots {
  /** Without: nobody has looked. */
  readonly verdicts?: Release['verdicts']
}

const INDEX_CORE = (name: string): string => `channel/${name}/index`
const LOG_CORE = (name: string): string => `channel/${name}/log`

export class ReleaseLog {
  readonly key: KeyHex
  /** z-base-32 of the key: the id that people pass on. */
  readonly id: string
  #core: Hypercore
  /** Readers wait for it. */
  #reopened: Promise<void> = Promise.resolve()
  readonly #store: Store
  /** Null on a follower that has not needed it yet. */
  #index: Hypercore | null
  /** Of a fork: where blocks are that are not its own; set once its genesis and those of its upstreams were read. */
  upstream: ReleaseLog | null = null
  /** For a channel of this node that several people sign. */
  #quorum: QuorumLog | null = null

  private constructor(store: Store, core: Hypercore, index: Hypercore | null) {
    this.#store = store
    this.#core = core
    this.#index = index
    this.key = keyHex(core.key)
    this.id = idEncoding(core.key)
  }

  /**
   * Makes a channel's cores and writes its genesis, durable when it resolves. Safe to repeat: cores left by a crash before
   * the channel was recorded are taken up again, with the signing key that their genesis names.
   * @param keepKey makes the private part of `signingKey` durable; called before the genesis that names it.
   * @param upstream of a fork.
   */
  static async create(
    store: Store,
    name: string,
    signingKey: Buffer,
    createdAtMs: number,
    keepKey: () => Promise<void>,
    upstream: Genesis['upstream'] = null,
  ): Promise<ReleaseLog> {
    const log = await ReleaseLog.openOwn(store, name)
    if (log.core.length > 0) return log
    await keepKey()
    const index = await store.core({ name: INDEX_CORE(name) })
    const about = {
      name,
      kind: 'deb',
      createdAtMs,
      indexKey: index.key,
      signingKey,
      predecessor: null,
      upstream,
    } as const
    await store.commit(async (sessionOf) => {
      await (await sessionOf(log.core)).append([encodeEvent({ type: 'genesis', ...about })])
    })
    await index.close()
    return log
  }

  /** The log of a channel that this store created, with its index, writable. */
  static async openOwn(store: Store, name: string): Promise<ReleaseLog> {
    const core = await store.core({ name: LOG_CORE(name) })
    return new ReleaseLog(store, core, await store.core({ name: INDEX_CORE(name) }))
  }

  /**
   * Makes the cores of a channel that several people sign, with its genesis, durable when it resolves. A crash before the
   * channel is recorded leaves a log that nobody knows: the next try makes another one.
   * @param keepKey makes the private part of the signing key durable; called before the genesis that names it.
   */
  static async createQuorum(store: Store, quorum: Quorum, keepKey: () => Promise<void>): Promise<ReleaseLog> {
    await keepKey()
    const core = await store.core({ manifest: quorum.log })
    await store.commit((sessionOf) => foundLog(sessionOf, core, quorum))
    return ReleaseLog.#ofQuorum(store, core, quorum)
  }

  /** The log of a channel that this node prepares and several people sign; null when `key` is not of such a log. */
  static async openQuorum(store: Store, key: KeyHex): Promise<ReleaseLog | null> {
    const core = await store.core({ key: Buffer.from(key, 'hex') })
    const signers = signersOf(core.manifest)
    if (signers !== null) {
      const genesis = await core.get(0, { wait: false })
      if (genesis !== null) return ReleaseLog.#ofQuorum(store, core, quorumOf({ ...signers, genesis }))
    }
    await core.close()
    return null
  }

  static async #ofQuorum(store: Store, core: Hypercore, quorum: Quorum): Promise<ReleaseLog> {
    const index = await store.core({ manifest: quorum.index })
    const log = new ReleaseLog(store, core, index)
    log.#quorum = new QuorumLog(store, log, index, quorum)
    return log
  }

  /** The log of somebody else's channel: nothing needs to be here yet. */
  static async follow(store: Store, key: KeyHex): Promise<ReleaseLog> {
    const core = await store.core({ key: Buffer.from(key, 'hex') })
    return new ReleaseLog(store, core, null)
  }

  /** Ask for it anew after anything that may have closed the log: `reopen` replaces it. */
  get core(): Hypercore {
    return this.#core
  }

  /** Of the log, and of the index where it is here too. */
  get discoveryKeys(): readonly Buffer[] {
    return [this.#core, ...(this.#index === null ? [] : [this.#index])].map(({ discoveryKey }) => discoveryKey)
  }

  get length(): number {
    return this.core.length
  }

  /** Whether releases of this channel are made here. */
  get writable(): boolean {
    return this.core.writable || this.#quorum !== null
  }

  /** How releases are made that several people sign; null: this node signs them itself, or does not make them. */
  get quorum(): QuorumLog | null {
    return this.#quorum
  }

  /** @throws FreshetError NO_RELEASE when nobody has signed anything yet. */
  head(): SignedHead {
    const head = headEvidence(this.core)
    if (head === null) throw new FreshetError('NO_RELEASE', `the log ${this.id} has no signed head yet`)
    return head
  }

  /** While Hypercore closes the log because of a conflict: what is here can be read again, and is not replicated. */
  reopen(): Promise<void> {
    this.#reopened = this.#reopen()
    return this.#reopened
  }

  async #reopen(): Promise<void> {
    const { key } = this.#core
    await this.#core.close()
    this.#core = await this.#store.core({ key, active: false })
  }

  /**
   * @returns null for an event of an unknown, skippable type.
   * @throws FreshetError NO_PEERS when the block did not come in time, EVENT_INVALID, VERSION_UNSUPPORTED, INTERRUPTED.
   */
  async event(block: number, options: ReadOptions = {}): Promise<ChannelEvent | null> {
    return decodeEvent(await this.block(block, options))
  }

  /** @param block in this log, or further up (schemas/chain-position.ts). */
  async block(block: number, options: ReadOptions = {}): Promise<Buffer> {
    const { log, block: own } = locateBlock(this, block)
    if (log !== this) return log.block(own, options)
    await this.#requireReadable()
    if (block >= this.core.length) {
      throw new FreshetError('EVENT_INVALID', `block ${block} is beyond the log of ${this.core.length}`, { block })
    }
    return readBlock(this.core, block, this.id, options.local === true)
  }

  /** A closed log has length 0 and no block. @throws FreshetError INTERRUPTED. */
  async #requireReadable(): Promise<void> {
    await this.#reopened
    if (this.core.closing !== null) throw new FreshetError('INTERRUPTED', `the log ${this.id} is closed`)
  }

  async genesis(): Promise<Genesis> {
    const genesis = expectEvent('genesis', await this.event(0), 0)
    if (this.core.manifest !== null) lintManifest(this.key, this.core.manifest)
    return genesis
  }

  /** Positions of the newest release and the newest note of the log; 0: there is none yet. */
  async newest(options: ReadOptions = {}): Promise<{ readonly releaseBlock: number; readonly noteBlock: number }> {
    const lowest = Math.max(0, this.core.length - TRAILING_BLOCKS_MAX)
    for (let block = this.core.length - 1; block > lowest; block--) {
      const event = await this.event(block, options)
      if (event?.type === 'release') return { releaseBlock: block, noteBlock: event.noteBlock }
      if (isNote(event)) return { releaseBlock: event.releaseBlock, noteBlock: block }
    }
    if (lowest > 0) {
      throw new FreshetError('EVENT_INVALID', `no release among the last ${TRAILING_BLOCKS_MAX} blocks of ${this.id}`)
    }
    return { releaseBlock: 0, noteBlock: 0 }
  }

  /** Those of `blocks`, of this log or further up, that are not on this disk. @throws FreshetError INTERRUPTED. */
  async missing(blocks: Iterable<number>): Promise<number[]> {
    await this.#requireReadable()
    const missing: number[] = []
    for (const block of blocks) {
      const { log, block: own } = locateBlock(this, block)
      if (!(await log.core.has(own))) missing.push(block)
    }
    return missing
  }

  /** Fetches blocks that are not here yet, in one pipelined request. `onProgress` counts those done. */
  async download(blocks: readonly number[], onProgress: (done: number) => void = () => {}): Promise<void> {
    const missing = await this.missing(blocks)
    let done = blocks.length - missing.length
    onProgress(done)
    if (missing.length === 0) return
    const endRequest = requestBlocks(this, missing)
    try {
      // One at a time in order gives progress and the timeout; the bytes themselves come in the pipelined range request.
      for (const block of missing) {
        await this.block(block)
        onProgress(++done)
      }
    } finally {
      endRequest()
    }
  }

  /**
   * Appends one release: index and log move together, are durable, and only then are announced.
   *
   * @param after notes about it: nobody sees it without them.
   * @throws FreshetError PUBLISH_BEHIND when the log is not `base` long any more; DISK_FULL, STORE_FAILED; what `late` throws.
   */
  async append(
    { base, blocks, release, changes }: ReleaseBlocks,
    late: Promise<LateFindings>,
    after: readonly Buffer[] = [],
  ): Promise<SignedHead> {
    late.catch(() => {}) // it may fail before it is awaited below, which is where that is reported
    const index = this.#index
    if (index === null || !this.core.writable) throw this.#readOnly()
    await this.requireOpen()
    const byteLength = blocks.reduce((sum, block) => sum + block.byteLength, 0)
    await this.#store.requireSpace(3 * byteLength)
    await this.#store.commit(async (sessionOf) => {
      this.requireLength(base)
      const headBefore = this.head()
      const indexSession = await sessionOf(index)
      const logSession = await sessionOf(this.core)
      await PackageIndex.update(indexSession, release.number, changes)
      const indexHead = { length: indexSession.length, treeHash: await indexSession.treeHash() }
      const whole = { ...release, verdicts: null, ...(await late), index: indexHead, headBefore }
      await logSession.append([...blocks, encodeEvent({ type: 'release', ...whole }), ...after])
    })
    return this.head()
  }

  /**
   * Appends one note, durable and then announced.
   * @param base length that the log must have.
   * @param before blocks that stand before it and belong to it.
   * @throws as `append`.
   */
  async appendNote(base: number, note: Note, before: readonly Buffer[] = []): Promise<SignedHead> {
    if (!this.core.writable) throw this.#readOnly()
    await this.requireOpen()
    await this.#store.commit(async (sessionOf) => {
      this.requireLength(base)
      await (await sessionOf(this.core)).append([...before, encodeEvent(note)])
    })
    return this.head()
  }

  /** Names the successor of this log, and founds that in the same step. @throws as `append`. */
  async appendRotation(base: number, note: Extract<Note, { type: 'rotate' }>, next: Quorum): Promise<SignedHead> {
    if (!this.core.writable) throw this.#readOnly()
    await this.requireOpen()
    const core = await this.#store.core({ manifest: next.log })
    try {
      await this.#store.commit(async (sessionOf) => {
        this.requireLength(base)
        await foundLog(sessionOf, core, next)
        await (await sessionOf(this.core)).append([encodeEvent(note)])
      })
    } finally {
      await core.close()
    }
    return this.head()
  }

  /**
   * The index as the release that names `head` had it.
   * @throws FreshetError NO_PEERS when its blocks are not here and nobody gives them; INDEX_INVALID when it is another one.
   */
  async indexAt({ length, treeHash }: Release['index']): Promise<PackageIndex> {
    const index = await this.indexCore()
    const signal = AbortSignal.timeout(BLOCK_WAIT_MS)
    while (index.length < length && !signal.aborted) await once(index, 'append', { signal }).catch(() => {}) // see below
    const found = index.length < length ? null : await within(signal, index.treeHash(length))
    if (found === null) throw new FreshetError('NO_PEERS', `the index of ${this.id} did not arrive`, { length })
    if (found.equals(treeHash)) return PackageIndex.at(index, length)
    throw new FreshetError('INDEX_INVALID', `the index of ${this.id} is not the one that the release names`, { length })
  }

  /** A follower asks for the index only when it needs one. */
  async indexCore(): Promise<Hypercore> {
    if (this.#index !== null) return this.#index
    const { indexKey } = await this.genesis()
    const index = await this.#store.core({ key: indexKey })
    if (this.#index !== null) await index.close() // somebody else was quicker
    this.#index ??= index
    return this.#index
  }

  /** The successor that this log names as its last word; null: it has not ended. @throws FreshetError EVENT_INVALID, NO_PEERS. */
  async rotation(options: ReadOptions = {}): Promise<Rotation | null> {
    const { releaseBlock, noteBlock } = await this.newest(options)
    const note = noteBlock === 0 ? null : await this.event(noteBlock, options)
    if (note?.type !== 'rotate') return null
    if (releaseBlock < noteBlock) return { block: noteBlock, successor: note.successor }
    throw new FreshetError('EVENT_INVALID', `${this.id} has a release after it passed to ${idEncoding(note.successor)}`)
  }

  /** @throws FreshetError ROTATION_INVALID when the log has named its successor. */
  async requireOpen(): Promise<void> {
    const rotation = await this.rotation()
    if (rotation === null) return
    const successor = idEncoding(rotation.successor)
    throw new FreshetError('ROTATION_INVALID', `${this.id} has passed to ${successor}`, { successor })
  }

  /** @throws FreshetError PUBLISH_BEHIND. */
  requireLength(base: number): void {
    if (this.core.length === base) return
    throw new FreshetError('PUBLISH_BEHIND', `the log of ${this.id} moved from ${base} to ${this.core.length}`)
  }

  #readOnly(): FreshetError {
    if (this.#quorum !== null) return new FreshetError('QUORUM_NEEDED', `${this.id} has several signers`)
    return new FreshetError('CHANNEL_READ_ONLY', `this node cannot write to ${this.id}`, { channel: this.id })
  }

  async close(): Promise<void> {
    await this.#reopened.catch(() => {}) // whoever asked for it has the error
    await this.core.close()
    await this.#index?.close()
  }
}
