/**
 * Tells whoever listens to this process what was told of releases, and when a channel freezes or thaws.
 *
 * What releases changed is in the journal before it comes here (actors/ports/tell-releases.ts): who listens late, or was away, reads
 * the list.
 */
import { isDeepStrictEqual } from 'node:util'
import { NOTIFICATIONS_MAX } from '../schemas/limits.ts'
import type { NotifiedChange, NotifiedRelease } from '../schemas/notified-release.ts'
import type { Rollouts } from '../schemas/rollout.ts'
import type { SnapshotProgress } from '../store/snapshot.ts'
import type { Channel } from './channel.ts'
import type { Concern } from './concerns.ts'
import type { Made, MadeNotice, MadeNotification } from './notification-fold.ts'

/** What a node tells whoever listens, told apart by `event`. */
export type NodeEvent = KeptEvent | RolloutNotice | ConcernNotice

/** An entry of the list of what was told. */
export type KeptEvent = Notification | FreshnessChange | WithdrawalNotice

/** What every entry says of itself. */
interface Entry {
  /** The same whenever and wherever it is delivered. */
  readonly notification: string
  readonly number: number
  readonly notifiedAt: string
  readonly channel: string
  readonly id: string
}

/** What the node told of one release, or of several as one: an entry of its list, as `--json` and targets have it. */
export interface Notification
  extends
    Entry,
    Pick<
      NotifiedRelease,
      | 'release'
      | 'previous'
      | 'packages'
      | 'counts'
      | 'why'
      | 'bytes'
      | 'upgradeBytes'
      | 'leftOut'
      | 'behind'
      | 'interval'
    > {
  readonly event: 'release'
  readonly publishedAt: string
  readonly releasedAt: string
  /** Null: a first release, or too many changes to list. */
  readonly changes: readonly NotifiedChange[] | null
}

/** The newest release passed its Valid-Until and nothing newer is here; or that is over. */
export interface FreshnessChange extends Entry {
  readonly event: 'frozen' | 'thawed'
  /** The newest release that is here. */
  readonly release: number
  readonly validUntil: string | null
}

/** The publisher took a version back. */
export interface WithdrawalNotice extends Entry {
  readonly event: 'withdrawn'
  /** The newest release that is here. */
  readonly release: number
  readonly name: string
  readonly version: string
  readonly reason: string
  /** Whether its file is in the pool of this node: then it was fetched, and may be installed here. Null: not known. */
  readonly held: boolean | null
  /** Whether this machine has it installed. Null: it is not known what it has. */
  readonly installed: boolean | null
}

/** A head of a channel's log that is longer than all before was heard, or made here: what it brings may not be here yet. */
export interface HeadNotice {
  readonly event: 'head'
  readonly channel: string
  readonly id: string
  /** Blocks of the log. */
  readonly length: number
  readonly heardAt: string
}

/** The publisher halted a release: nobody takes it any more who has not; or that is over. */
export interface RolloutNotice {
  readonly event: 'halted' | 'resumed'
  readonly channel: string
  readonly id: string
  readonly release: number
  /** Null: it goes on. */
  readonly reason: string | null
  /** Whether it is the release that this node serves. */
  readonly served: boolean
}

/** An advisory or known-bad set is about packages that this machine has. */
export interface ConcernNotice extends Concern {
  readonly event: 'advisory'
  readonly channel: string
  readonly id: string
}

/** How far the rebuild of a channel's newest release is: blocks of one index file. */
export interface RebuildProgress extends SnapshotProgress {
  readonly id: string
}

interface HeadsOf extends Pick<Channel, 'name'> {
  readonly log: Pick<Channel['log'], 'id'>
}

export class Notifier {
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #watchers = new Set<(progress: RebuildProgress) => void>()
  readonly #followers = new Set<(id: string) => void>()
  readonly #heralds = new Set<(notice: HeadNotice) => void>()
  #recent: NodeEvent[] = []

  get recent(): readonly NodeEvent[] {
    return this.#recent
  }

  /** @returns what ends the listening. */
  listen(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @returns what ends the watching. */
  watch(watcher: (progress: RebuildProgress) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Told of each release that is ready, whatever anybody has subscribed to, and of those of upstreams too.
   * @param listener is given the id of the channel. @returns what ends it.
   */
  onReady(listener: (id: string) => void): () => void {
    this.#followers.add(listener)
    return () => this.#followers.delete(listener)
  }

  ready({ log }: Channel): void {
    for (const listener of this.#followers) listener(log.id)
  }

  /** @returns what ends it. */
  onHead(herald: (notice: HeadNotice) => void): () => void {
    this.#heralds.add(herald)
    return () => this.#heralds.delete(herald)
  }

  heard({ name, log }: HeadsOf, length: number, atMs: number): void {
    const heardAt = new Date(atMs).toISOString()
    for (const herald of this.#heralds) herald({ event: 'head', channel: name, id: log.id, length, heardAt })
  }

  progressed(channel: Channel, progress: SnapshotProgress): void {
    for (const watcher of this.#watchers) watcher({ id: channel.log.id, ...progress })
  }

  /** Of an entry that was written down. */
  told(channel: Channel, made: Made): void {
    this.#tell(keptEvent(channel, made))
  }

  concerned({ name, log }: Channel, concern: Concern): void {
    this.#tell({ event: 'advisory', channel: name, id: log.id, ...concern })
  }

  /** Whoever waits for a release that all are offered is told with those that wait for one that is ready. */
  rolledOut(channel: Channel, before: Rollouts): void {
    const { current, name, log } = channel
    const rollouts = channel.rollouts.known
    if (isDeepStrictEqual(rollouts, before)) return
    this.ready(channel)
    if (current === null) return // what was halted long ago is no news
    for (const number of new Set([...before.keys(), ...rollouts.keys()])) {
      const reason = rollouts.get(number)?.halted ?? null
      const event = reason === null ? 'resumed' : 'halted'
      const served = current.release.number === number
      const isNews = (reason === null) !== ((before.get(number)?.halted ?? null) === null)
      if (isNews) this.#tell({ event, channel: name, id: log.id, release: number, reason, served })
    }
  }

  #tell(event: NodeEvent): void {
    this.#recent = [...this.#recent, event].slice(-NOTIFICATIONS_MAX)
    for (const listener of this.#listeners) listener(event)
  }
}

export function keptEvent(channel: Channel, made: Made): KeptEvent {
  return made.type === 'notice.made' ? noticeOf(channel, made) : notificationOf(channel, made)
}

function notificationOf({ name, log }: Channel, { notified, atMs }: MadeNotification): Notification {
  const { uid, publishedAtMs, releasedAtMs, ...told } = notified
  return {
    event: 'release',
    notification: uid.toString('hex'),
    channel: name,
    id: log.id,
    publishedAt: new Date(publishedAtMs).toISOString(),
    releasedAt: new Date(releasedAtMs).toISOString(),
    notifiedAt: new Date(atMs).toISOString(),
    ...told,
  }
}

function noticeOf(channel: Channel, { notice, atMs }: MadeNotice): FreshnessChange | WithdrawalNotice {
  const { uid, number, kind, release, validUntilMs, withdrawn } = notice
  const entry = {
    notification: uid.toString('hex'),
    number,
    channel: channel.name,
    id: channel.log.id,
    notifiedAt: new Date(atMs).toISOString(),
    release,
  }
  if (kind === 'withdrawn' && withdrawn !== null) return { event: kind, ...entry, ...withdrawn }
  const validUntil = validUntilMs === null ? null : new Date(validUntilMs).toISOString()
  return { event: kind === 'thawed' ? kind : 'frozen', ...entry, validUntil }
}
