/**
 * Everything that lives on one open store: journal, channels with their actors, fetches, network.
 *
 * A failed write ends a session, not the daemon: actors/node.ts closes it and opens the next one on the same home.
 * Facts go through `record`: into the journal, then to the actor they concern.
 */
import type { Actor, SnapshotFrom } from 'xstate'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import type { Fact } from '../schemas/journal.ts'
import type { SignerSet } from '../schemas/signing.ts'
import type { KeyHex } from '../schemas/units.ts'
import { HeadRecords } from '../store/head-records.ts'
import { prepareHome } from '../store/home.ts'
import type { Home } from '../store/home.ts'
import { IndexFiles } from '../store/index-files.ts'
import { Journal } from '../store/journal.ts'
import { Store } from '../store/open-store.ts'
import { Pool } from '../store/pool.ts'
import { PreparedReleases } from '../store/prepared-releases.ts'
import { foundChannel, isSameSet } from '../store/quorum.ts'
import { ReleaseLog } from '../store/release-log.ts'
import { isChannelName } from '../schemas/channel-name.ts'
import { Channel } from './channel.ts'
import type { ChannelRole } from './channel.ts'
import { followChannel } from './follow-channel.ts'
import type { FollowContext, FollowFact } from './follow-channel.ts'
import { Notifier } from './notifier.ts'
import { livePort } from './port.ts'
import { Fetches } from './ports/fetches.ts'
import { Network } from './ports/network.ts'
import type { NetworkOptions } from './ports/network.ts'
import { prepareSnapshot } from './ports/prepare-snapshot.ts'
import { watchHead } from './ports/watch-head.ts'
import { JournalFold } from './journal-fold.ts'
import { initialState, resume } from './recover.ts'
import { Rotations } from './rotations.ts'

export interface SessionOptions {
  readonly home: Home
  /** Null: this process only reads and writes its own disk. */
  readonly network: NetworkOptions | null
  readonly notifier: Notifier
  readonly now: () => number
  /** The store failed: close this session and open another. */
  readonly onFailure: (failure: FreshetError) => void
  readonly log: (level: 'info' | 'warn', message: string) => void
}

interface Followed {
  readonly channel: Channel
  readonly actor: Actor<typeof followChannel>
}

export class Session {
  readonly options: SessionOptions
  readonly store: Store
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly files: IndexFiles
  readonly prepared: PreparedReleases
  readonly rotations: Rotations
  readonly fetches: Fetches
  readonly network: Network | null
  readonly #journal: Journal
  readonly #followed = new Map<KeyHex, Followed>()
  /** The newest trouble of each channel, for people: the machine only knows codes. */
  readonly troubles = new Map<KeyHex, FreshetError>()
  #closing: Promise<void> | null = null
  /** Channels are added one after the other: two of one name or key would both find it free. */
  #adding: Promise<unknown> = Promise.resolve()

  private constructor(options: SessionOptions, opened: Opened) {
    this.options = options
    this.store = opened.store
    this.pool = opened.pool
    this.heads = opened.heads
    this.files = opened.files
    this.prepared = new PreparedReleases(options.home.prepared)
    this.#journal = opened.journal
    this.network = opened.network
    this.rotations = new Rotations({
      channels: () => this.channels,
      follow: (key, { role }) => this.#followSuccessor(key, role),
      isOver: (channel) => this.state(channel).status !== 'active',
      record: (fact) => this.record(fact),
      now: options.now,
      onTrouble: (channel, error) => this.#onTrouble(channel, error),
    })
    this.fetches = new Fetches({
      pool: this.pool,
      record: (fact) => this.record(fact),
      now: options.now,
      transfer: async (sink, signal) => {
        if (this.network === null) throw new FreshetError('NO_PEERS', 'this command runs without a network')
        await this.network.transfer(sink, signal)
      },
      onDefect: (error) => this.#onDefect(error),
    })
  }

  /** @throws FreshetError STORE_LOCKED, STORE_COPIED, DISK_FULL, IO_ERROR, STORE_FAILED. */
  static async open(options: SessionOptions): Promise<Session> {
    const store = await Store.open(options.home.store, options.onFailure)
    let session: Session | null = null
    try {
      await prepareHome(options.home)
      const pool = await Pool.open(options.home.pool)
      const opened: Opened = {
        store,
        pool,
        heads: await HeadRecords.open(options.home.heads),
        files: await IndexFiles.open(options.home.indexes),
        journal: await Journal.open(store),
        network: options.network === null ? null : await Network.open(options.network, store, pool, options.log),
      }
      session = new Session(options, opened)
      await session.#recover()
      return session
    } catch (error) {
      await (session ?? store).close()
      throw error
    }
  }

  get channels(): readonly Channel[] {
    return [...this.#followed.values()].map(({ channel }) => channel)
  }

  /** @throws FreshetError CHANNEL_UNKNOWN. */
  channel(nameOrId: string): Channel {
    const found = this.channels.find(({ name, log }) => name === nameOrId || log.id === nameOrId)
    if (found !== undefined) return found
    throw new FreshetError('CHANNEL_UNKNOWN', `no channel is called ${JSON.stringify(nameOrId)} here`)
  }

  state(channel: Channel): SnapshotFrom<typeof followChannel> {
    return (this.#followed.get(channel.key) as Followed).actor.getSnapshot()
  }

  /**
   * Resolves when `channel` has made everything up to `number` ready, or refused the log that has it.
   * @throws FreshetError INTERRUPTED when the session ends first: its actors do.
   */
  async settled(channel: Channel, number: number): Promise<void> {
    const { actor } = this.#followed.get(channel.key) as Followed
    const { length } = channel.log
    const isSettled = ({ context, status }: SnapshotFrom<typeof followChannel>): boolean =>
      context.readyNumber >= number || context.refusedLength >= length || status === 'done'
    if (isSettled(actor.getSnapshot())) return
    await new Promise<void>((resolve, reject) => {
      const isOver = (): void => reject(new FreshetError('INTERRUPTED', `${channel.name} was closed meanwhile`))
      if (this.#closing !== null) return isOver()
      const subscription = actor.subscribe({
        next(snapshot) {
          if (!isSettled(snapshot)) return
          subscription.unsubscribe()
          resolve()
        },
        error: reject,
        complete: isOver,
      })
    })
  }

  async record(fact: Fact): Promise<void> {
    await this.#journal.record(fact)
    if (this.#closing !== null || !isFollowFact(fact)) return
    const followed = this.#followed.get(fact.key)
    if (followed === undefined) return
    const previous = followed.actor.getSnapshot().context.readyNumber
    followed.actor.send(fact)
    if (fact.type === 'release.ready') await this.rotations.look(followed.channel)
    if (fact.type !== 'release.ready' || fact.number <= previous) return
    this.troubles.delete(fact.key)
    await this.#takeName(followed.channel)
    try {
      await this.options.notifier.announce(followed.channel, previous)
    } catch (error) {
      this.#onTrouble(followed.channel, asFreshetError(error)) // the release is ready all the same
    }
  }

  /**
   * Makes a channel of this node, durable, and starts it.
   * @param keepKey writes down the private part of `signingKey`; not called when a crash left the channel's genesis behind.
   */
  async createChannel(name: string, signingKey: Buffer, keepKey: () => Promise<void>): Promise<Channel> {
    return this.#oneByOne(async () => {
      this.#requireFreeName(name)
      const log = await ReleaseLog.create(this.store, name, signingKey, this.options.now(), keepKey)
      return this.#add(name, 'publisher', log)
    })
  }

  /** The same for a channel that several people sign; repeated for the same signers it is the one that has no release yet. */
  async createQuorumChannel(
    name: string,
    signingKey: Buffer,
    signers: SignerSet,
    keepKey: () => Promise<void>,
  ): Promise<Channel> {
    return this.#oneByOne(async () => {
      const known = this.channels.find((channel) => channel.name === name)
      const quorum = known?.log.quorum?.quorum ?? null
      if (known?.log.length === 1 && quorum !== null && isSameSet(quorum.channel, signers)) return known
      this.#requireFreeName(name)
      const createdAtMs = this.options.now()
      const founded = foundChannel(signers, { name, kind: 'deb', createdAtMs, signingKey, predecessor: null })
      return this.#add(name, 'publisher', await ReleaseLog.createQuorum(this.store, founded, keepKey))
    })
  }

  /** Follows somebody else's channel; a channel that is known already is returned as it is. */
  async follow(key: KeyHex, name: string): Promise<Channel> {
    return this.#oneByOne(async () => {
      const known = this.#followed.get(key)
      if (known !== undefined) return known.channel
      this.#requireFreeName(name)
      return this.#add(name, 'follower', await ReleaseLog.follow(this.store, key))
    })
  }

  /** The channel that takes releases of this name or id: where it has passed to a successor of this node, that one. */
  publishing(nameOrId: string): Channel {
    const channel = this.channel(nameOrId)
    const newest = this.rotations.newest(channel)
    return newest.log.writable ? newest : channel
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #followSuccessor(key: KeyHex, role: ChannelRole): Promise<Channel> {
    return this.#oneByOne(async () => {
      const known = this.#followed.get(key)
      if (known !== undefined) return known.channel
      const own = role === 'publisher' ? await ReleaseLog.openQuorum(this.store, key) : null
      const log = own ?? (await ReleaseLog.follow(this.store, key))
      return this.#add(log.id, own === null ? 'follower' : 'publisher', log)
    })
  }

  #oneByOne(add: () => Promise<Channel>): Promise<Channel> {
    const adding = this.#adding.then(add)
    this.#adding = adding.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return adding
  }

  #requireFreeName(name: string): void {
    if (this.channels.some((channel) => channel.name === name)) {
      throw new FreshetError('CHANNEL_EXISTS', `a channel called ${name} exists already`, { name })
    }
  }

  async #add(name: string, role: ChannelRole, log: ReleaseLog): Promise<Channel> {
    await this.#journal.record({ type: 'channel.added', key: log.key, name, role, atMs: this.options.now() })
    await this.store.sync() // the answer to this command is an id that people pass on
    const channel = new Channel(name, role, log, this.files)
    this.#start(channel, initialState(followChannel, { key: log.key }))
    return channel
  }

  /** A channel followed by its id alone takes the name that its publisher gave it, if that is free here. */
  async #takeName(channel: Channel): Promise<void> {
    const name = channel.genesis?.name
    const free = name !== undefined && isChannelName(name) && !this.channels.some((other) => other.name === name)
    if (channel.name !== channel.log.id || !free) return
    channel.name = name
    await this.#journal.record({
      type: 'channel.added',
      key: channel.key,
      name,
      role: channel.role,
      atMs: this.options.now(),
    })
  }

  /** Folds the journal and starts every channel and every fetch where it was. */
  async #recover(): Promise<void> {
    const fold = new JournalFold()
    for await (const fact of this.#journal.facts()) fold.add(fact)
    const compacted = fold.compacted()
    if (compacted !== null) await this.#journal.compact(compacted, this.options.now())
    for (const { added, state, readyBlock } of fold.channels) {
      const { key, name, role } = added
      const log = role === 'publisher' ? await this.#openOwn(key, name) : await ReleaseLog.follow(this.store, key)
      const channel = new Channel(name, role, log, this.files)
      await this.#restore(channel, readyBlock)
      this.#start(channel, state)
    }
    for (const channel of this.channels) await this.rotations.look(channel)
    if (this.network === null) return // a command without peers must not give up what the daemon is to fetch
    for (const fact of fold.wanted) this.fetches.resume(fact)
  }

  async #openOwn(key: KeyHex, name: string): Promise<ReleaseLog> {
    return (await ReleaseLog.openQuorum(this.store, key)) ?? (await ReleaseLog.openOwn(this.store, name))
  }

  /** What was served is served again, before any peer is heard. When even that fails, the trouble is shown and peers may mend it. */
  async #restore(channel: Channel, readyBlock: number): Promise<void> {
    if (readyBlock === 0) return
    try {
      await channel.restore(readyBlock)
    } catch (error) {
      this.#onTrouble(channel, asFreshetError(error))
    }
  }

  #start(channel: Channel, state: SnapshotFrom<typeof followChannel>): void {
    const { now } = this.options
    const record = (fact: Fact): Promise<void> => this.record(fact)
    const onTrouble = (of: Channel, error: FreshetError): void => this.#onTrouble(of, error)
    const onDefect = (error: unknown): void => this.#onDefect(error)
    channel.onProgress = (progress) => this.options.notifier.progressed(channel, progress)
    const machine = followChannel.provide({
      actors: {
        watchHead: livePort(
          // Not its input: a resumed port is given the context of when its state was entered, which was before any head.
          (_: FollowContext, signal) =>
            watchHead({ channel, heads: this.heads, record, now }, state.context.headLength, signal),
          onDefect,
        ),
        prepareSnapshot: livePort(
          (_: FollowContext, signal) => prepareSnapshot({ channel, record, now, onTrouble }, signal),
          onDefect,
        ),
      },
    })
    const actor = resume(machine, { key: channel.key }, state)
    this.#followed.set(channel.key, { channel, actor })
    actor.subscribe({ error: onDefect })
    actor.start()
    if (actor.getSnapshot().status === 'active') this.network?.join(channel)
  }

  #onTrouble(channel: Channel, error: FreshetError): void {
    this.troubles.set(channel.key, error)
    this.options.log('warn', `${channel.name}: ${error.code}: ${error.message}`)
  }

  /** A port threw what it should have recorded. A failed store is the one expected case: a new session follows. */
  #onDefect(error: unknown): void {
    const failure = asFreshetError(error)
    this.options.log('warn', `${failure.code}: ${failure.message}`)
    if (this.store.failure === null && this.#closing === null) this.options.onFailure(failure)
  }

  /** Every part is closed, whatever the others do: a store that stays open keeps its lock, and no session could follow. */
  async #close(): Promise<void> {
    for (const { actor } of this.#followed.values()) actor.stop()
    this.fetches.close()
    const parts = [this.network, ...this.channels, this.pool, this.#journal, this.store]
    const errors: unknown[] = []
    for (const part of parts) await part?.close().catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }
}

interface Opened {
  readonly store: Store
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly files: IndexFiles
  readonly journal: Journal
  readonly network: Network | null
}

function isFollowFact(fact: Fact): fact is FollowFact {
  return ['head.accepted', 'release.ready', 'release.refused', 'channel.stopped'].includes(fact.type)
}
