/**
 * Everything that lives on one open store: journal, channels with their actors, fetches, network.
 *
 * A failed write ends a session, not the daemon: actors/node.ts closes it and opens the next one on the same home.
 * Facts go through `record`: into the journal, then to the actor they concern.
 */
import type { SnapshotFrom } from 'xstate'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'
import type { Genesis } from '../schemas/events.ts'
import type { Fact, FactOf } from '../schemas/journal.ts'
import type { SignerSet } from '../schemas/signing.ts'
import type { KeyHex } from '../schemas/units.ts'
import { EvidenceFiles } from '../store/evidence-files.ts'
import { HeadRecords } from '../store/head-records.ts'
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
import { channelActors } from './channel-actors.ts'
import type { ChannelActorDeps, ChannelStates, RunningChannel } from './channel-actors.ts'
import { FetchHistory } from './fetch-history.ts'
import { followChannel, isFollowFact } from './follow-channel.ts'
import { Notifier } from './notifier.ts'
import type { Fetches } from './ports/fetches.ts'
import { HeadGossip } from './ports/head-gossip.ts'
import type { MirrorSources } from './ports/mirror-sources.ts'
import type { Network } from './ports/network.ts'
import type { Sharing } from './ports/sharing.ts'
import { JournalFold } from './journal-fold.ts'
import { LocalMirrors } from './local-mirrors.ts'
import { Notices } from './notices.ts'
import { Offers } from './offers.ts'
import { initialState } from './recover.ts'
import { sessionFetches } from './session-fetches.ts'
import { interrupted, stopError } from './session-errors.ts'
import { openParts } from './session-parts.ts'
import type { PartsOptions, SessionParts } from './session-parts.ts'
import { closeAll } from './close-all.ts'
import { followUpstream, NodeUpstreams } from './upstreams.ts'
import { untilState } from './until-state.ts'
import { Rotations } from './rotations.ts'
import { watchFreshness } from './watch-freshness.ts'

export interface SessionOptions extends PartsOptions {
  readonly notifier: Notifier
}

export class Session {
  readonly options: SessionOptions
  readonly store: Store
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly evidence: EvidenceFiles
  readonly files: IndexFiles
  readonly prepared: PreparedReleases
  readonly rotations: Rotations
  readonly fetches: Fetches
  readonly mirrors: MirrorSources
  readonly sharing: Sharing
  readonly network: Network | null
  localMirrors = new LocalMirrors()
  readonly notices: Notices
  readonly offers: Offers
  fetchHistory = new FetchHistory()
  readonly #journal: Journal
  readonly #effects: Pick<ChannelActorDeps, 'now' | 'record' | 'onTrouble' | 'onDefect'>
  readonly #followed = new Map<KeyHex, RunningChannel>()
  readonly #upstreams = new NodeUpstreams({
    running: (key) => this.#followed.get(key)?.channel ?? null,
    add: (key) => this.#followFound(key, 'upstream'),
    requireRunning: (channel) => this.requireRunning(channel),
  })
  /** The newest trouble of each channel, for people: the machine only knows codes. */
  readonly troubles = new Map<KeyHex, FreshetError>()
  #closing: Promise<void> | null = null
  /** Channels are added one after the other: two of one name or key would both find it free. */
  #adding: Promise<unknown> = Promise.resolve()

  private constructor(options: SessionOptions, parts: SessionParts) {
    this.options = options
    this.store = parts.store
    this.pool = parts.pool
    this.heads = parts.heads
    this.evidence = parts.evidence
    this.files = parts.files
    this.prepared = parts.prepared
    this.#journal = parts.journal
    this.mirrors = parts.mirrors
    this.sharing = parts.sharing
    this.network = parts.network
    const { notifier, now, log } = options
    this.#effects = {
      now,
      record: (fact) => this.record(fact),
      onTrouble: (of, error) => this.#onTrouble(of, error),
      onDefect: (error) => this.#onDefect(error),
    }
    const channelOf = (key: KeyHex): Channel | null => this.#followed.get(key)?.channel ?? null
    this.notices = new Notices({
      ...this.#effects,
      notifier,
      pool: this.pool,
      isOnline: this.network !== null,
      channel: channelOf,
      warn: (message) => log('warn', message),
    })
    const offered = { nodeKey: parts.nodeKey, preference: options.config.rollout }
    this.offers = new Offers({ ...this.#effects, ...offered, running: () => this.#followed.values() })
    this.rotations = new Rotations({
      ...this.#effects,
      channels: () => this.channels,
      follow: (key, { role }) => this.#followFound(key, role),
      isOver: (channel) => this.state(channel).status !== 'active',
    })
    this.fetches = sessionFetches(this, channelOf, (error) => this.#onDefect(error))
  }

  /** @throws FreshetError STORE_LOCKED, STORE_COPIED, DISK_FULL, IO_ERROR, STORE_FAILED. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options, await openParts(options))
    try {
      await session.#recover()
      return session
    } catch (error) {
      await session.close()
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

  /** HTTP mirrors of a channel: this node's own first. */
  mirrorsOf(key: KeyHex): readonly string[] {
    return [...new Set([...this.localMirrors.of(key), ...(this.#followed.get(key)?.channel.mirrors ?? [])])]
  }

  state(channel: Channel): SnapshotFrom<typeof followChannel> {
    return (this.#followed.get(channel.key) as RunningChannel).actor.getSnapshot()
  }

  /** @throws FreshetError EQUIVOCATION, HISTORY_REWRITE when `channel` was stopped. */
  requireRunning(channel: Channel): void {
    const { status, context } = this.state(channel)
    if (status === 'done') throw stopError(channel, context.code as ErrorCode, this.evidence)
  }

  /**
   * Resolves when `channel` has made everything up to `number` ready, or refused the log that has it.
   * @throws FreshetError INTERRUPTED when the session ends first: its actors do.
   */
  async settled(channel: Channel, number: number): Promise<void> {
    const { actor } = this.#followed.get(channel.key) as RunningChannel
    const { length } = channel.log
    const isSettled = ({ context, status }: SnapshotFrom<typeof followChannel>): boolean =>
      context.readyNumber >= number || context.refusedLength >= length || status === 'done'
    if (!isSettled(actor.getSnapshot()) && this.#closing !== null) throw interrupted(channel)
    await untilState(actor, isSettled, () => interrupted(channel))
  }

  async record(fact: Fact): Promise<void> {
    await this.#journal.record(fact)
    this.localMirrors.note(fact)
    if (fact.type !== 'release.ready') this.notices.note(fact) // also while this session ends: nothing is told twice
    this.fetchHistory.note(fact)
    if (this.#closing !== null) return
    if (fact.type === 'channel.frozen' || fact.type === 'channel.thawed') return this.#noteFreshness(fact)
    if (!isFollowFact(fact)) return
    const followed = this.#followed.get(fact.key)
    if (followed === undefined) return
    const previous = followed.actor.getSnapshot().context.readyNumber
    followed.actor.send(fact)
    if (fact.type === 'channel.stopped') this.#stopped(followed)
    if (fact.type !== 'release.ready' || followed.actor.getSnapshot().status === 'done') return
    this.troubles.delete(fact.key)
    await this.rotations.look(followed.channel)
    this.notices.look(followed.channel)
    if (followed.actor.getSnapshot().context.readyNumber <= previous) return // the head brought a note only
    await this.#takeName(followed.channel)
    this.notices.note(fact)
    this.options.notifier.ready(followed.channel)
    if (this.network !== null) followed.freshness.send(fact)
  }

  /** Told after it is written down; after a crash in between, at the next start. */
  #noteFreshness(fact: FactOf<'channel.frozen' | 'channel.thawed'>): void {
    const followed = this.#followed.get(fact.key)
    followed?.freshness.send(fact)
    if (followed !== undefined) this.notices.look(followed.channel)
  }

  /**
   * Makes a channel of this node, durable, and starts it.
   * @param keepKey writes down the private part of `signingKey`; not called when a crash left the channel's genesis behind.
   * @param upstream of a fork.
   */
  async createChannel(
    name: string,
    signingKey: Buffer,
    keepKey: () => Promise<void>,
    upstream: Genesis['upstream'] = null,
  ): Promise<Channel> {
    return this.#oneByOne(async () => {
      this.#requireFreeName(name)
      const log = await ReleaseLog.create(this.store, name, signingKey, this.options.now(), keepKey, upstream)
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
      const about = { name, kind: 'deb', createdAtMs: this.options.now(), signingKey } as const
      const founded = foundChannel(signers, { ...about, predecessor: null, upstream: null })
      return this.#add(name, 'publisher', await ReleaseLog.createQuorum(this.store, founded, keepKey))
    })
  }

  /** Follows somebody else's channel; a channel that is known already is returned as it is. */
  async follow(key: KeyHex, name: string): Promise<Channel> {
    const channel = await this.#oneByOne(async () => {
      const known = this.#followed.get(key)
      if (known !== undefined) return known.channel
      this.#requireFreeName(name)
      return this.#add(name, 'follower', await ReleaseLog.follow(this.store, key))
    })
    const record = (of: Channel): Promise<void> => this.#recordAdded(of).then(() => this.notices.start(of))
    if (channel.role === 'upstream') await followUpstream(channel, record)
    this.offers.look(this.#followed.get(key) as RunningChannel)
    return channel
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

  /** A channel that no person has named: a successor, or the upstream of a fork. */
  async #followFound(key: KeyHex, role: ChannelRole): Promise<Channel> {
    return this.#oneByOne(async () => {
      const known = this.#followed.get(key)
      if (known !== undefined) return known.channel
      const own = role === 'publisher' ? await ReleaseLog.openQuorum(this.store, key) : null
      const log = own ?? (await ReleaseLog.follow(this.store, key))
      return this.#add(log.id, own === null && role === 'publisher' ? 'follower' : role, log)
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
    const channel = new Channel(name, role, log, this.files, this.store, this.#upstreams)
    await this.#recordAdded(channel)
    await this.store.sync() // the answer to this command is an id that people pass on
    const input = { key: log.key }
    const [state, freshness] = [initialState(followChannel, input), initialState(watchFreshness, input)]
    this.#start(channel, { state, freshness })
    return channel
  }

  /** A channel followed by its id alone takes the name that its publisher gave it, if that is free here. */
  async #takeName(channel: Channel): Promise<void> {
    const name = channel.genesis?.name
    const free = name !== undefined && isChannelName(name) && !this.channels.some((other) => other.name === name)
    if (channel.name !== channel.log.id || !free) return
    channel.name = name
    await this.#recordAdded(channel)
  }

  async #recordAdded({ key, name, role }: Channel): Promise<void> {
    await this.#journal.record({ type: 'channel.added', key, name, role, atMs: this.options.now() })
  }

  /** Folds the journal and starts every channel and every fetch where it was. */
  async #recover(): Promise<void> {
    const fold = new JournalFold(this.notices.fold)
    for await (const fact of this.#journal.facts()) fold.add(fact)
    const compacted = fold.compacted()
    this.localMirrors = fold.mirrors
    this.fetchHistory = fold.fetches
    if (compacted !== null) await this.#journal.compact(compacted, this.options.now())
    const recovered: Channel[] = []
    for (const { added } of fold.channels) {
      const { key, name, role } = added
      const log = role === 'publisher' ? await this.#openOwn(key, name) : await ReleaseLog.follow(this.store, key)
      recovered.push(new Channel(name, role, log, this.files, this.store, this.#upstreams))
    }
    this.#upstreams.recovered(recovered)
    for (const [i, { state, freshness, readyBlock }] of fold.channels.entries()) {
      const channel = recovered[i] as Channel
      // What was served is served again, before any peer is heard. Where even that fails, peers may mend it.
      if (readyBlock > 0)
        await channel.restore(readyBlock).catch((error) => this.#onTrouble(channel, asFreshetError(error)))
      this.#start(channel, { state, freshness })
    }
    for (const channel of this.channels) await this.rotations.look(channel)
    this.notices.deliver()
    if (this.network === null) return // a command without peers must not give up what the daemon is to fetch
    for (const fact of fold.fetches.wanted) this.fetches.resume(fact)
  }

  async #openOwn(key: KeyHex, name: string): Promise<ReleaseLog> {
    return (await ReleaseLog.openQuorum(this.store, key)) ?? (await ReleaseLog.openOwn(this.store, name))
  }

  #start(channel: Channel, states: ChannelStates): void {
    this.notices.attend(channel)
    channel.rollouts.takes = (state) => this.offers.has(channel, state)
    const gossip = new HeadGossip({ channel, evidence: this.evidence, ...this.options })
    const { actor, freshness } = channelActors({ ...this.#effects, channel, gossip, heads: this.heads }, states)
    const followed = { channel, gossip, actor, freshness }
    this.#followed.set(channel.key, followed)
    actor.start()
    this.notices.start(channel)
    this.network?.gossip(gossip)
    // A command that runs without peers has no listener either: the daemon is the one to say it.
    if (this.network !== null) {
      freshness.start()
      this.offers.look(followed)
    }
    const { status, context } = actor.getSnapshot()
    if (status === 'active' || context.code === 'ROTATION_INVALID') this.network?.join(channel)
    if (status !== 'active') this.#stopped(followed)
  }

  /**
   * What was ready stays served. Of a log that contradicts itself nothing is taken or given any more, and the evidence is handed
   * on; one that only names a wrong successor stays to be had, so that others can see it.
   */
  #stopped({ channel, actor }: RunningChannel): void {
    const code = actor.getSnapshot().context.code as ErrorCode
    if (code !== 'ROTATION_INVALID') this.network?.stop(channel)
    this.#onTrouble(channel, stopError(channel, code, this.evidence))
  }

  #onTrouble(channel: Channel, error: FreshetError): void {
    if (this.#closing !== null) return // what was under way ends because the session does
    this.troubles.set(channel.key, error)
    this.options.log('warn', `${channel.name}: ${error.code}: ${error.message}`)
  }

  /** A port threw what it should have recorded. A failed store is the one expected case: a new session follows. */
  #onDefect(error: unknown): void {
    const failure = asFreshetError(error)
    this.options.log('warn', `${failure.code}: ${failure.message}`)
    if (this.store.failure === null && this.#closing === null) this.options.onFailure(failure)
  }

  async #close(): Promise<void> {
    for (const { actor, freshness } of this.#followed.values()) {
      actor.stop()
      freshness.stop()
    }
    this.offers.close()
    this.fetches.close()
    const { network, sharing, heads, evidence, pool, store } = this
    await closeAll([network, sharing, ...this.channels, this.notices, heads, evidence, pool, this.#journal, store])
  }
}
