/**
 * Subscriptions, notifications and targets of one session: the fold of their facts, and the loops that act on it.
 *
 * Who has no network delivers nothing, and tells only of channels that are its own: a command that runs by itself leaves the rest to
 * the daemon.
 */
import { FreshetError } from '../schemas/errors.ts'
import type { Fact } from '../schemas/journal.ts'
import { TARGETS_MAX } from '../schemas/limits.ts'
import { changedSubscription } from '../schemas/subscription.ts'
import type { Subscription, SubscriptionChange } from '../schemas/subscription.ts'
import type { KeyHex } from '../schemas/units.ts'
import { InstalledStates } from '../store/installed-packages.ts'
import type { Pool } from '../store/pool.ts'
import type { Channel } from './channel.ts'
import { NotificationFold, numberOf } from './notification-fold.ts'
import type { TargetState } from './notification-policy.ts'
import { keptEvent } from './notifier.ts'
import type { KeptEvent, Notifier } from './notifier.ts'
import { ConcernTelling } from './ports/tell-concerns.ts'
import { Deliveries, EFFECTS } from './ports/deliver.ts'
import { restForReal } from './ports/due-loop.ts'
import { NoticeTelling } from './ports/tell-notices.ts'
import { ReleaseTelling } from './ports/tell-releases.ts'

export interface NoticesDeps {
  readonly notifier: Notifier
  /** Null: it is not known here. */
  readonly channel: (key: KeyHex) => Channel | null
  readonly record: (fact: Fact) => Promise<void>
  readonly pool: Pick<Pool, 'held'>
  readonly now: () => number
  readonly isOnline: boolean
  readonly warn: (message: string) => void
  readonly onDefect: (error: unknown) => void
}

export type TargetName = Pick<TargetState, 'kind' | 'place'>

export class Notices {
  readonly #deps: NoticesDeps
  readonly fold = new NotificationFold()
  readonly #telling: ReleaseTelling
  readonly #noticing: NoticeTelling
  /** Numbers are given one after the other: two channels must not both have the next one. */
  #numbering: Promise<void> = Promise.resolve()
  readonly #deliveries: Deliveries
  readonly #concerns: ConcernTelling

  constructor(deps: NoticesDeps) {
    this.#deps = deps
    const { fold } = this
    const { record, pool, now, warn, onDefect } = deps
    const append = (make: (number: number) => Fact): Promise<void> => this.#append(make)
    const states = new InstalledStates()
    const telling = { fold, record, append, states, now, onDefect }
    this.#telling = new ReleaseTelling({ ...telling, rest: restForReal, warn })
    this.#noticing = new NoticeTelling({ ...telling, pool })
    this.#concerns = new ConcernTelling({
      states,
      statusFile: (key) => fold.subscription(key).statusFile,
      tell: (channel, concern) => deps.notifier.concerned(channel, concern),
      warn,
    })
    this.#deliveries = new Deliveries({
      fold,
      record,
      now,
      rest: restForReal,
      effects: EFFECTS,
      eventOf: (number) => this.#numbered(number),
      onTrouble: ({ kind, place }, { code, message }) => {
        warn(`a notification cannot be delivered to ${kind === 'hook' ? place : kind}: ${code}: ${message}`)
      },
      onDefect,
    })
  }

  /** Tells what is untold of `channel`, and what comes. */
  start(channel: Channel): void {
    if (channel.role === 'upstream') return // nobody asked to hear of it
    if (this.#deps.isOnline || channel.role === 'publisher') this.#telling.start(channel)
    this.look(channel)
  }

  /** Listens to what `channel` finds in its log. */
  attend(channel: Channel): void {
    const { notifier } = this.#deps
    channel.onWithdrawn = () => this.look(channel)
    channel.onProgress = (progress) => notifier.progressed(channel, progress)
    channel.rollouts.onRead = (before) => notifier.rolledOut(channel, before)
  }

  /** The log of `channel` brought something, a release or a note, or it has frozen or thawed. */
  look(channel: Channel): void {
    if (!this.#deps.isOnline || channel.role === 'upstream') return
    this.#noticing.look(channel)
    this.#concerns.look(channel)
  }

  /** Delivers what is undelivered, and what comes. Once all channels are started. */
  deliver(): void {
    if (this.#deps.isOnline) this.#deliveries.wake()
  }

  /** After `fact` was written down; of `release.ready` those that moved the channel. */
  note(fact: Fact): void {
    this.fold.note(fact)
    if (fact.type === 'release.ready' || fact.type === 'subscription.chosen') this.#telling.wake(fact.key)
    else if (fact.type === 'channel.moved') this.#telling.wake(fact.successor)
    else if (fact.type === 'target.chosen' || fact.type === 'target.removed') this.deliver()
    else if (fact.type === 'notification.made' || fact.type === 'notice.made') {
      const channel = this.#deps.channel(fact.key)
      if (channel !== null) this.#deps.notifier.told(channel, fact)
      this.deliver()
    }
  }

  /** Kept notifications after number `since`, in order. @param key of one channel only; null: of all. */
  list(since: number, key: KeyHex | null): readonly KeptEvent[] {
    return this.fold.made
      .filter((made) => numberOf(made) > since && (key === null || made.key === key))
      .map((made) => this.#numbered(numberOf(made)))
  }

  /** @throws FreshetError FILTER_INVALID, GLOB_INVALID. */
  async subscribe(key: KeyHex, change: SubscriptionChange): Promise<Subscription> {
    const subscription = changedSubscription(this.fold.subscription(key), change)
    const { record, now } = this.#deps
    await record({ type: 'subscription.chosen', key, subscription, atMs: now() })
    return subscription
  }

  /** From now on notifications go there, too; a target that is known already goes on as it was. @throws FreshetError TARGETS_FULL. */
  async addTarget({ kind, place }: TargetName): Promise<void> {
    if (this.fold.target({ kind, place }) !== null) return
    if (this.fold.targets.length >= TARGETS_MAX) {
      throw new FreshetError('TARGETS_FULL', `notifications go to ${TARGETS_MAX} targets already`)
    }
    const { record, now } = this.#deps
    const after = this.fold.kept.newest
    await record({ type: 'target.chosen', kind, place, after, undelivered: 0, atMs: now() })
  }

  /** @throws FreshetError TARGET_UNKNOWN. */
  async removeTarget({ kind, place }: TargetName): Promise<void> {
    if (this.fold.target({ kind, place }) === null) {
      throw new FreshetError('TARGET_UNKNOWN', `no notifications go to ${place === '' ? kind : `that ${kind}`}`, {
        kind,
      })
    }
    const { record, now } = this.#deps
    await record({ type: 'target.removed', kind, place, atMs: now() })
  }

  /** Once the logs are closed. A program that is running for a notification is killed: it will be run again. */
  async close(): Promise<void> {
    const telling = [this.#telling, this.#noticing, this.#concerns, this.#deliveries]
    await Promise.all(telling.map((one) => one.close()))
  }

  #append(make: (number: number) => Fact): Promise<void> {
    const appended = this.#numbering.then(() => this.#deps.record(make(this.fold.kept.newest + 1)))
    this.#numbering = appended.catch(() => {}) // whoever records it has the error
    return appended
  }

  /** One that is kept. */
  #numbered(number: number): KeptEvent {
    const made = this.fold.made[number - this.fold.kept.oldest]
    const channel = made === undefined ? null : this.#deps.channel(made.key)
    if (made === undefined || channel === null) throw new Error(`notification ${number} is not kept`)
    return keptEvent(channel, made)
  }
}
