/**
 * When releases of a channel are told, as one or one by one, and when a notification goes to a target: functions of what the
 * journal says and a clock that is given.
 *
 * A digest is due a period after the first release that it tells of, so it needs no time of day, and there is none while nothing
 * changes. A clock that was set back holds nothing up: what would have to wait longer than its pause at most is due.
 */
import {
  DELIVERY_GIVE_UP_MS,
  DELIVERY_PAUSE_MS,
  DELIVERY_RETRY_MS_MAX,
  DELIVERY_RETRY_MS_MIN,
  DESKTOP_PAUSE_MS,
  NOTIFICATIONS_PER_HOUR_MAX,
  RELEASES_SINGLY_MAX,
} from '../schemas/limits.ts'
import type { FactOf } from '../schemas/journal.ts'
import type { Interval } from '../schemas/subscription.ts'

const HOUR_MS = 3_600_000
/** How long releases are collected. */
const PERIOD_MS: Readonly<Record<Interval, number>> = { now: 0, final: 0, hourly: HOUR_MS, daily: 24 * HOUR_MS }

/** Where the telling of one channel stands. */
export interface Untold {
  readonly interval: Interval
  /** The newest release that is ready, and the newest that was told; 0: none. */
  readonly ready: number
  readonly told: number
  /** When the first release became ready that was not told; 0 when all were. */
  readonly sinceMs: number
  /** When notifications of the channel were made, as far as they are kept, oldest first. */
  readonly madeAtMs: readonly number[]
}

export type Telling =
  | { readonly kind: 'tell'; readonly previous: number; readonly release: number }
  | { readonly kind: 'wait'; readonly ms: number }

/** @returns null when all is told. */
export function nextTelling({ interval, ready, told, sinceMs, madeAtMs }: Untold, nowMs: number): Telling | null {
  if (ready <= told) return null
  const waitMs = Math.max(
    remainingMs(sinceMs, told === 0 ? 0 : PERIOD_MS[interval], nowMs),
    remainingMs(madeAtMs.at(-NOTIFICATIONS_PER_HOUR_MAX) ?? 0, HOUR_MS, nowMs),
  )
  if (waitMs > 0) return { kind: 'wait', ms: waitMs }
  const singly = interval === 'now' && told > 0
  const release = singly ? Math.max(told + 1, ready - RELEASES_SINGLY_MAX + 1) : ready
  return { kind: 'tell', previous: told, release }
}

/** A target, as far as the journal says. */
export interface TargetState {
  readonly kind: FactOf<'target.chosen'>['kind']
  readonly place: string
  /** Notifications up to this number are done with. */
  readonly done: number
  /** When that was. */
  readonly doneAtMs: number
  /** How many of them were given up or passed over, and why the newest was. */
  readonly undelivered: number
  /** Of the notification after `done`; null: it was not tried, or is not there. */
  readonly failure: Pick<FactOf<'delivery.failed'>, 'tries' | 'sinceMs' | 'retryAtMs' | 'code'> | null
}

export type Delivery =
  | { readonly kind: 'deliver'; readonly number: number }
  | { readonly kind: 'pass'; readonly number: number; readonly code: string }
  | { readonly kind: 'wait'; readonly ms: number }

/**
 * @param kept numbers of the notifications that are kept: the oldest and the newest; 0 and 0: none.
 * @returns null when there is nothing to deliver.
 */
export function nextDelivery(
  target: TargetState,
  kept: { readonly oldest: number; readonly newest: number },
  nowMs: number,
): Delivery | null {
  const { kind, done, doneAtMs, failure } = target
  if (done >= kept.newest) return null
  if (done + 1 < kept.oldest) return { kind: 'pass', number: kept.oldest - 1, code: 'DELIVERY_OVERFLOW' }
  const number = done + 1
  if (failure !== null && nowMs - failure.sinceMs > DELIVERY_GIVE_UP_MS) {
    return { kind: 'pass', number, code: failure.code }
  }
  const pauseMs = kind === 'desktop' ? DESKTOP_PAUSE_MS : DELIVERY_PAUSE_MS
  const waitMs = Math.max(
    remainingMs(doneAtMs, pauseMs, nowMs),
    failure === null
      ? 0
      : remainingMs(failure.retryAtMs - retryPauseMs(failure.tries), retryPauseMs(failure.tries), nowMs),
  )
  return waitMs > 0 ? { kind: 'wait', ms: waitMs } : { kind: 'deliver', number }
}

/** After so many tries in a row. */
export function retryPauseMs(tries: number): number {
  return Math.min(DELIVERY_RETRY_MS_MIN * 2 ** Math.min(tries - 1, 20), DELIVERY_RETRY_MS_MAX)
}

/** Until `periodMs` after `fromMs`; 0 as well where that lies further ahead than it can: the clock was set back. */
function remainingMs(fromMs: number, periodMs: number, nowMs: number): number {
  const leftMs = fromMs + periodMs - nowMs
  return leftMs > periodMs ? 0 : Math.max(leftMs, 0)
}
