import test from 'tape'
import {
  nextDelivery,
  nextTelling,
  retryPauseMs,
  type TargetState,
  type Untold,
} from '../../actors/notification-policy.ts'
import {
  DELIVERY_GIVE_UP_MS,
  DELIVERY_PAUSE_MS,
  DELIVERY_RETRY_MS_MAX,
  DELIVERY_RETRY_MS_MIN,
  DESKTOP_PAUSE_MS,
  NOTIFICATIONS_PER_HOUR_MAX,
  RELEASES_SINGLY_MAX,
} from '../../schemas/limits.ts'

const NOW_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000
const UNTOLD: Untold = { interval: 'now', ready: 5, told: 4, sinceMs: NOW_MS, madeAtMs: [] }
const TARGET: TargetState = { kind: 'hook', place: '/h', done: 2, doneAtMs: 0, undelivered: 0, failure: null }
const KEPT = { oldest: 1, newest: 5 }

test('next telling: by table', (t) => {
  const tell = (previous: number, release: number) => ({ kind: 'tell', previous, release })
  const wait = (ms: number) => ({ kind: 'wait', ms })
  const table: [string, Partial<Untold>, object | null][] = [
    ['all is told', { told: 5 }, null],
    ['one release', {}, tell(4, 5)],
    ['several, one by one', { told: 2 }, tell(2, 3)],
    ['the first of all, however many there were', { told: 0 }, tell(0, 5)],
    ['more than are told one by one: the oldest as one', { ready: 1000 }, tell(4, 1000 - RELEASES_SINGLY_MAX + 1)],
    ['final: as one', { told: 2, interval: 'final' }, tell(2, 5)],
    ['hourly, just now', { interval: 'hourly' }, wait(HOUR_MS)],
    ['hourly, for ten minutes', { interval: 'hourly', sinceMs: NOW_MS - HOUR_MS / 6 }, wait((HOUR_MS * 5) / 6)],
    ['hourly, for an hour', { told: 1, interval: 'hourly', sinceMs: NOW_MS - HOUR_MS }, tell(1, 5)],
    ['daily, for an hour', { interval: 'daily', sinceMs: NOW_MS - HOUR_MS }, wait(23 * HOUR_MS)],
    [
      'daily, and the clock was set back by a year',
      { interval: 'daily', sinceMs: NOW_MS + 365 * 24 * HOUR_MS },
      tell(4, 5),
    ],
    [
      'a flood: as many in the last hour as there may be',
      { madeAtMs: Array.from({ length: NOTIFICATIONS_PER_HOUR_MAX }, (_, i) => NOW_MS - 1000 + i) },
      wait(HOUR_MS - 1000),
    ],
    [
      'one fewer',
      { madeAtMs: Array.from({ length: NOTIFICATIONS_PER_HOUR_MAX - 1 }, (_, i) => NOW_MS - 1000 + i) },
      tell(4, 5),
    ],
  ]
  for (const [what, untold, expected] of table)
    t.deepEqual(nextTelling({ ...UNTOLD, ...untold }, NOW_MS), expected, what)
  t.end()
})

test('next delivery: by table', (t) => {
  const failed = (tries: number, retryAtMs: number, sinceMs = NOW_MS - 1) => {
    return { failure: { tries, sinceMs, retryAtMs, code: 'HOOK_FAILED' } }
  }
  const deliver = { kind: 'deliver', number: 3 }
  const wait = (ms: number) => ({ kind: 'wait', ms })
  const table: [string, Partial<TargetState>, object | null][] = [
    ['something waits', {}, deliver],
    ['nothing waits', { done: 5 }, null],
    ['right after the one before', { doneAtMs: NOW_MS }, wait(DELIVERY_PAUSE_MS)],
    ['the same on the desktop', { kind: 'desktop', doneAtMs: NOW_MS }, wait(DESKTOP_PAUSE_MS)],
    ['it failed', failed(1, NOW_MS + DELIVERY_RETRY_MS_MIN), wait(DELIVERY_RETRY_MS_MIN)],
    ['the pause is over', failed(1, NOW_MS), deliver],
    ['the clock was set back by a day', failed(3, NOW_MS + 24 * HOUR_MS), deliver],
    [
      'for longer than is tried',
      failed(300, NOW_MS + 1000, NOW_MS - DELIVERY_GIVE_UP_MS - 1),
      { kind: 'pass', number: 3, code: 'HOOK_FAILED' },
    ],
  ]
  for (const [what, target, expected] of table) {
    t.deepEqual(nextDelivery({ ...TARGET, ...target }, KEPT, NOW_MS), expected, what)
  }
  t.deepEqual(nextDelivery(TARGET, { oldest: 0, newest: 0 }, NOW_MS), null, 'nothing was ever told')
  t.end()
})

test('retry pause: doubles up to its bound, whatever the number of tries', (t) => {
  t.equal(retryPauseMs(1), DELIVERY_RETRY_MS_MIN)
  t.equal(retryPauseMs(3), 4 * DELIVERY_RETRY_MS_MIN)
  t.equal(retryPauseMs(9_000), DELIVERY_RETRY_MS_MAX)
  t.end()
})
