/**
 * What the journal says of subscriptions, notifications and targets, folded: what is told and what is not, the list of what was
 * told, and how far each target is.
 *
 * A notification and "told up to here" are one fact, and so are a delivery and "done up to here": after a crash at any point
 * the fold says what is still to do, and nothing is told twice. What goes out to a hook or webhook right before a crash goes
 * out again, under the same uid. Tests: test/actors/notification-fold.tape.ts.
 */
import type { Fact, FactOf } from '../schemas/journal.ts'
import { NOTIFICATIONS_KEPT_MAX, NOTIFIED_CHANGES_KEPT_MAX } from '../schemas/limits.ts'
import { EVERYTHING } from '../schemas/subscription.ts'
import type { Subscription } from '../schemas/subscription.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { TargetState, Untold } from './notification-policy.ts'

export type MadeNotification = FactOf<'notification.made'>
export type MadeNotice = FactOf<'notice.made'>
/** An entry of the list. */
export type Made = MadeNotification | MadeNotice

/** What beside releases was told of a channel. */
interface NoticeCursor {
  /** How many of its withdrawals. */
  readonly withdrawn: number
  /** The newest freeze or thaw; null: there was none. */
  readonly freshness: 'frozen' | 'thawed' | null
  readonly isFreshnessTold: boolean
  readonly atMs: number
}

const NO_NOTICE: NoticeCursor = { withdrawn: 0, freshness: null, isFreshnessTold: true, atMs: 0 }

interface Cursor {
  readonly ready: number
  readonly told: number
  readonly sinceMs: number
  /** When the newest one became ready. */
  readonly readyAtMs: number
}

const NOTHING_TOLD: Cursor = { ready: 0, told: 0, sinceMs: 0, readyAtMs: 0 }

export class NotificationFold {
  readonly #subscriptions = new Map<KeyHex, FactOf<'subscription.chosen'>>()
  readonly #cursors = new Map<KeyHex, Cursor>()
  readonly #targets = new Map<string, TargetState>()
  readonly #notices = new Map<KeyHex, NoticeCursor>()
  #made: Made[] = []
  #changesKept = 0

  /** Facts in the order in which they were recorded; of `release.ready` those that moved the channel. Others change nothing. */
  note(fact: Fact): void {
    switch (fact.type) {
      case 'subscription.chosen':
        this.#subscriptions.set(fact.key, fact)
        return
      case 'channel.moved':
        return this.#move(fact)
      case 'release.ready':
        return this.#ready(fact)
      case 'release.passed':
        return this.#told(fact.key, fact.number, fact.atMs)
      case 'notification.made':
        this.#told(fact.key, fact.notified.release, fact.atMs)
        return this.#keep(fact)
      case 'channel.frozen':
      case 'channel.thawed':
      case 'notice.passed':
        return this.#noteNotice(fact)
      case 'notice.made':
        this.#noteNotice(fact)
        return this.#keep(fact)
      case 'target.chosen':
      case 'target.removed':
      case 'delivery.done':
      case 'delivery.failed':
        return this.#noteTarget(fact)
      default:
    }
  }

  /** Kept notifications, oldest first, their numbers without gaps. */
  get made(): readonly Made[] {
    return this.#made
  }

  /** Numbers of the oldest and newest one; 0: none. */
  get kept(): { readonly oldest: number; readonly newest: number } {
    const [oldest, newest] = [this.#made[0], this.#made.at(-1)]
    return { oldest: oldest === undefined ? 0 : numberOf(oldest), newest: newest === undefined ? 0 : numberOf(newest) }
  }

  get targets(): readonly TargetState[] {
    return [...this.#targets.values()]
  }

  target({ kind, place }: Pick<TargetState, 'kind' | 'place'>): TargetState | null {
    return this.#targets.get(`${kind} ${place}`) ?? null
  }

  subscription(key: KeyHex): Subscription {
    return this.#subscriptions.get(key)?.subscription ?? EVERYTHING
  }

  untold(key: KeyHex): Untold {
    const madeAtMs = this.#made
      .filter((made) => made.type === 'notification.made' && made.key === key)
      .map(({ atMs }) => atMs)
    return { ...(this.#cursors.get(key) ?? NOTHING_TOLD), interval: this.subscription(key).interval, madeAtMs }
  }

  /** How many of a channel's withdrawals were told or passed over. */
  withdrawnTold(key: KeyHex): number {
    return this.#notices.get(key)?.withdrawn ?? 0
  }

  /** The freeze or thaw of a channel that is to be told; null: there is none. */
  freshnessUntold(key: KeyHex): 'frozen' | 'thawed' | null {
    const { freshness, isFreshnessTold } = this.#notices.get(key) ?? NO_NOTICE
    return isFreshnessTold ? null : freshness
  }

  /**
   * The fewest facts that fold to the same, behind those that make releases ready.
   * @param keys channels that there still are.
   */
  condensed(keys: readonly KeyHex[]): readonly Fact[] {
    const cursors = keys.flatMap((key): Fact[] => {
      const { told, sinceMs, readyAtMs } = this.#cursors.get(key) ?? NOTHING_TOLD
      return told === 0 && sinceMs === readyAtMs ? [] : [{ type: 'release.passed', key, number: told, atMs: sinceMs }]
    })
    const targets = this.targets.flatMap(({ kind, place, done, doneAtMs, undelivered, failure }): Fact[] => [
      { type: 'target.chosen', kind, place, after: done, undelivered, atMs: doneAtMs },
      ...(failure === null
        ? []
        : [{ type: 'delivery.failed', kind, place, number: done + 1, ...failure, atMs: doneAtMs } as const]),
    ])
    const notices = keys.flatMap((key): Fact[] => {
      const known = this.#notices.get(key)
      if (known === undefined) return []
      const { withdrawn, freshness, isFreshnessTold, atMs } = known
      // A thaw that is to be told: of a freeze, the fact that says where its machine stands is there already.
      const thaw: Fact[] =
        isFreshnessTold || freshness !== 'thawed' ? [] : [{ type: 'channel.thawed', key, number: 0, atMs }]
      const isPlain = withdrawn === 0 && (freshness !== 'frozen' || !isFreshnessTold)
      return isPlain ? thaw : [...thaw, { type: 'notice.passed', key, withdrawn, isFreshnessTold, atMs }]
    })
    return [...this.#subscriptions.values(), ...this.#made, ...cursors, ...notices, ...targets]
  }

  clear(): void {
    this.#subscriptions.clear()
    this.#cursors.clear()
    this.#targets.clear()
    this.#notices.clear()
    this.#made = []
    this.#changesKept = 0
  }

  /** What was asked for goes on where the channel does. */
  #move({ key, successor }: FactOf<'channel.moved'>): void {
    const chosen = this.#subscriptions.get(key)
    if (chosen !== undefined && !this.#subscriptions.has(successor)) {
      this.#subscriptions.set(successor, { ...chosen, key: successor })
    }
  }

  #ready({ key, number, atMs }: FactOf<'release.ready'>): void {
    const before = this.#cursors.get(key) ?? NOTHING_TOLD
    const isFirst = before.ready <= before.told
    const sinceMs = number <= before.told ? 0 : isFirst ? atMs : before.sinceMs
    this.#cursors.set(key, { ...before, ready: number, sinceMs, readyAtMs: atMs })
  }

  #told(key: KeyHex, number: number, atMs: number): void {
    const before = this.#cursors.get(key) ?? NOTHING_TOLD
    const told = Math.max(before.told, number)
    this.#cursors.set(key, { ...before, told, sinceMs: before.ready > told ? atMs : 0 })
  }

  #noteNotice(fact: FactOf<'channel.frozen' | 'channel.thawed' | 'notice.made' | 'notice.passed'>): void {
    const before = this.#notices.get(fact.key) ?? NO_NOTICE
    this.#notices.set(fact.key, { ...afterNotice(before, fact), atMs: fact.atMs })
  }

  #keep(fact: Made): void {
    this.#made.push(fact)
    this.#changesKept += changesIn(fact)
    let dropped = 0
    while (
      this.#made.length - dropped > NOTIFICATIONS_KEPT_MAX ||
      (this.#changesKept > NOTIFIED_CHANGES_KEPT_MAX && this.#made.length - dropped > 1)
    ) {
      this.#changesKept -= changesIn(this.#made[dropped++] as Made)
    }
    if (dropped > 0) this.#made = this.#made.slice(dropped)
  }

  #noteTarget(fact: FactOf<'target.chosen' | 'target.removed' | 'delivery.done' | 'delivery.failed'>): void {
    const { kind, place } = fact
    const id = `${kind} ${place}`
    const known = this.#targets.get(id)
    if (fact.type === 'target.removed') this.#targets.delete(id)
    else if (fact.type === 'target.chosen') {
      const { after: done, undelivered, atMs: doneAtMs } = fact
      this.#targets.set(id, { kind, place, done, doneAtMs, undelivered, failure: null })
    } else if (known !== undefined && fact.number > known.done) this.#targets.set(id, moved(known, fact))
  }
}

function moved(target: TargetState, fact: FactOf<'delivery.done' | 'delivery.failed'>): TargetState {
  if (fact.type === 'delivery.failed') {
    const { tries, sinceMs, retryAtMs, code } = fact
    return { ...target, failure: { tries, sinceMs, retryAtMs, code } }
  }
  const undelivered = target.undelivered + (fact.code === '' ? 0 : fact.number - target.done)
  return { ...target, done: fact.number, doneAtMs: fact.atMs, undelivered, failure: null }
}

function afterNotice(
  before: NoticeCursor,
  fact: FactOf<'channel.frozen' | 'channel.thawed' | 'notice.made' | 'notice.passed'>,
): NoticeCursor {
  switch (fact.type) {
    case 'channel.frozen':
      return { ...before, freshness: 'frozen', isFreshnessTold: false }
    case 'channel.thawed':
      return { ...before, freshness: 'thawed', isFreshnessTold: false }
    case 'notice.passed':
      return { ...before, withdrawn: fact.withdrawn, isFreshnessTold: before.isFreshnessTold || fact.isFreshnessTold }
    case 'notice.made':
      if (fact.notice.kind === 'withdrawn') return { ...before, withdrawn: before.withdrawn + 1 }
      return { ...before, isFreshnessTold: true }
  }
}

/** Of an entry of the list. */
export function numberOf(made: Made): number {
  return made.type === 'notice.made' ? made.notice.number : made.notified.number
}

function changesIn(made: Made): number {
  return made.type === 'notice.made' ? 0 : (made.notified.changes?.length ?? 0)
}
