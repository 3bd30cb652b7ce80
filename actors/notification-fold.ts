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
  #made: MadeNotification[] = []
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
      case 'target.chosen':
      case 'target.removed':
      case 'delivery.done':
      case 'delivery.failed':
        return this.#noteTarget(fact)
      default:
    }
  }

  /** Kept notifications, oldest first, their numbers without gaps. */
  get made(): readonly MadeNotification[] {
    return this.#made
  }

  /** Numbers of the oldest and newest one; 0: none. */
  get kept(): { readonly oldest: number; readonly newest: number } {
    return { oldest: this.#made[0]?.notified.number ?? 0, newest: this.#made.at(-1)?.notified.number ?? 0 }
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
    const madeAtMs = this.#made.filter((made) => made.key === key).map(({ atMs }) => atMs)
    return { ...(this.#cursors.get(key) ?? NOTHING_TOLD), interval: this.subscription(key).interval, madeAtMs }
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
    return [...this.#subscriptions.values(), ...this.#made, ...cursors, ...targets]
  }

  clear(): void {
    this.#subscriptions.clear()
    this.#cursors.clear()
    this.#targets.clear()
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

  #keep(fact: MadeNotification): void {
    this.#made.push(fact)
    this.#changesKept += changesIn(fact)
    let dropped = 0
    while (
      this.#made.length - dropped > NOTIFICATIONS_KEPT_MAX ||
      (this.#changesKept > NOTIFIED_CHANGES_KEPT_MAX && this.#made.length - dropped > 1)
    ) {
      this.#changesKept -= changesIn(this.#made[dropped++] as MadeNotification)
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

function changesIn({ notified }: MadeNotification): number {
  return notified.changes?.length ?? 0
}
