/**
 * Tells whoever listens to this process what was told of releases, and when a channel freezes or thaws.
 *
 * What releases changed is in the journal before it comes here (actors/ports/tell-releases.ts): who listens late, or was away, reads
 * the list.
 */
import { NOTIFICATIONS_MAX } from '../schemas/limits.ts'
import type { NotifiedChange, NotifiedRelease } from '../schemas/notified-release.ts'
import type { Withdrawal } from '../schemas/withdrawal.ts'
import type { Pool } from '../store/pool.ts'
import type { SnapshotProgress } from '../store/snapshot.ts'
import type { Channel } from './channel.ts'
import type { MadeNotification } from './notification-fold.ts'

/** What a node tells whoever listens, told apart by `event`. */
export type NodeEvent = Notification | FreshnessChange | WithdrawalNotice

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

/** A head of a channel's log that is longer than all before was heard, or made here: what it brings may not be here yet. */
export interface HeadNotice {
  readonly event: 'head'
  readonly channel: string
  readonly id: string
  /** Blocks of the log. */
  readonly length: number
  readonly heardAt: string
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

  released(channel: Channel, made: MadeNotification): void {
    this.#tell(notificationOf(channel, made))
  }

  freshness({ name, log, current }: Channel, event: FreshnessChange['event']): void {
    const { number: release = 0, validUntilMs = null } = current?.release ?? {}
    const validUntil = validUntilMs === null ? null : new Date(validUntilMs).toISOString()
    this.#tell({ event, channel: name, id: log.id, release, validUntil })
  }

  async withdrawn(channel: Channel, fresh: readonly Withdrawal[], pool: Pool): Promise<void> {
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
