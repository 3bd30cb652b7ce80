/**
 * Tells whoever listens what a release that has just become ready changed, and when a channel freezes or thaws.
 * Nothing here survives a restart yet.
 */
import { NOTIFICATIONS_MAX } from '../schemas/limits.ts'
import type { ChangeKind } from '../schemas/package-difference.ts'
import type { Withdrawal } from '../schemas/withdrawal.ts'
import { readPackageChanges } from '../store/package-changes.ts'
import type { PackageChange } from '../store/package-changes.ts'
import type { Pool } from '../store/pool.ts'
import type { SnapshotProgress } from '../store/snapshot.ts'
import type { Channel } from './channel.ts'

/** What a node tells whoever listens, told apart by `event`. */
export type NodeEvent = Notification | FreshnessChange | WithdrawalNotice

export interface Notification {
  readonly event: 'release'
  readonly channel: string
  readonly id: string
  readonly release: number
  /** The release that was ready before, 0: none. */
  readonly previous: number
  readonly publishedAt: string
  readonly releasedAt: string
  /** Packages in the snapshot. */
  readonly packages: number
  readonly counts: Readonly<Record<ChangeKind, number>>
  /** Sizes of the packages that came, in bytes. */
  readonly bytes: number
  /** Null: a first release, or too many changes to list. */
  readonly changes: readonly PackageChange[] | null
  /** Releases that this node knows of and has not made ready. */
  readonly behind: number
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

/** How far the rebuild of a channel's newest release is: blocks of one index file. */
export interface RebuildProgress extends SnapshotProgress {
  readonly id: string
}

export class Notifier {
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #watchers = new Set<(progress: RebuildProgress) => void>()
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

  progressed(channel: Channel, progress: SnapshotProgress): void {
    for (const watcher of this.#watchers) watcher({ id: channel.log.id, ...progress })
  }

  /** `previous`: number of the release that was ready before. */
  async announce(channel: Channel, previous: number): Promise<void> {
    const notification = await describe(channel, previous)
    if (notification !== null) this.#tell(notification)
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

async function describe(channel: Channel, previous: number): Promise<Notification | null> {
  const { current, history } = channel
  if (current === null) return null
  const { number, publishedAtMs, releasedAtMs } = current.release
  const changes =
    previous === 0
      ? null
      : await readPackageChanges(channel.log, await history.plan(previous), await history.plan(number))
  const counts = { added: 0, removed: 0, upgraded: 0, downgraded: 0, changed: 0 }
  for (const { kind } of changes ?? []) counts[kind]++
  const packages = current.packageCount
  if (previous === 0) counts.added = packages
  return {
    event: 'release',
    channel: channel.name,
    id: channel.log.id,
    release: number,
    previous,
    publishedAt: new Date(publishedAtMs).toISOString(),
    releasedAt: new Date(releasedAtMs).toISOString(),
    packages,
    counts,
    bytes: (changes ?? []).reduce((sum, { byteLength }) => sum + byteLength, 0),
    changes,
    behind: channel.behind,
  }
}
