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
import type { Withdrawal } from '../schemas/withdrawal.ts'
import type { Pool } from '../store/pool.ts'
import type { SnapshotProgress } from '../store/snapshot.ts'
import type { Channel } from './channel.ts'
import type { Concern } from './concerns.ts'
import type { MadeNotification } from './notification-fold.ts'

/** What a node tells whoever listens, told apart by `event`. */
export type NodeEvent = Notification | FreshnessChange | WithdrawalNotice | RolloutNotice | ConcernNotice

/** What the node told of one release, or of several as one: an entry of its list, as `--json` and targets have it. */
export interface Notification extends Pick<
  NotifiedRelease,
  | 'number'
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
  /** The same whenever and wherever it is delivered. */
  readonly notification: string
  readonly channel: string
  readonly id: string
  readonly publishedAt: string
  readonly releasedAt: string
  readonly notifiedAt: string
  /** Null: a first release, or too many changes to list. */
  readonly changes: readonly NotifiedChange[] | null
}

/** The newest release passed its Valid-Until and nothing newer is here; or that is over. */
export interface FreshnessChange {
  readonly event: 'frozen' | 'thawed'
  readonly channel: string
  readonly id: string
  /** The newest release that is here. */
  readonly release: number
  readonly validUntil: string | null
}

/** The publisher took a version back. */
export interface WithdrawalNotice {
  readonly event: 'withdrawn'
  readonly channel: string
  readonly id: string
  readonly name: string
  readonly version: string
  readonly reason: string
  /** Whether its file is in the pool of this node: then it was fetched, and may be installed here. Null: not known. */
  readonly held: boolean | null
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

export class Notifier {
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #watchers = new Set<(progress: RebuildProgress) => void>()
  readonly #followers = new Set<(id: string) => void>()
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

  concerned({ name, log }: Channel, concern: Concern): void {
    this.#tell({ event: 'advisory', channel: name, id: log.id, ...concern })
  }

  /** Listens to what `channel` finds in its log. */
  attend(channel: Channel, pool: Pool): void {
    channel.onWithdrawn = (fresh) => void this.#withdrawn(channel, fresh, pool) // never rejects
    channel.onProgress = (progress) => this.#progressed(channel, progress)
    channel.rollouts.onRead = (before) => this.#rolledOut(channel, before)
  }

  /** Whoever waits for a release that all are offered is told with those that wait for one that is ready. */
  #rolledOut(channel: Channel, before: Rollouts): void {
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

  #progressed(channel: Channel, progress: SnapshotProgress): void {
    for (const watcher of this.#watchers) watcher({ id: channel.log.id, ...progress })
  }

  released(channel: Channel, made: MadeNotification): void {
    this.#tell(notificationOf(channel, made))
  }

  freshness({ name, log, current }: Channel, event: FreshnessChange['event']): void {
    const { number: release = 0, validUntilMs = null } = current?.release ?? {}
    const validUntil = validUntilMs === null ? null : new Date(validUntilMs).toISOString()
    this.#tell({ event, channel: name, id: log.id, release, validUntil })
  }

  async #withdrawn(channel: Channel, fresh: readonly Withdrawal[], pool: Pool): Promise<void> {
    for (const { name, version, reason } of fresh) {
      const held = await isHeld(channel, name, version, pool)
      this.#tell({ event: 'withdrawn', channel: channel.name, id: channel.log.id, name, version, reason, held })
    }
  }

  #tell(event: NodeEvent): void {
    this.#recent = [...this.#recent, event].slice(-NOTIFICATIONS_MAX)
    for (const listener of this.#listeners) listener(event)
  }
}

/** @returns null where the files of that version are not known without looking further. */
async function isHeld(channel: Channel, name: string, version: string, pool: Pool): Promise<boolean | null> {
  try {
    const { stanzas } = await channel.packagesNamed({ kind: 'newest' }, name)
    const files = stanzas.filter((stanza) => stanza.version === version)
    return files.length === 0 ? null : files.some(({ digest }) => pool.held(digest) !== null)
  } catch {
    return null // the notice is not to wait for peers
  }
}

export function notificationOf({ name, log }: Channel, { notified, atMs }: MadeNotification): Notification {
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
