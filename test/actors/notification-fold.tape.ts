/**
 * A node that is killed at any point, on a clock of the test: its journal is a list, its releases and targets are numbers. After every
 * restart all it knows is the journal, condensed or not.
 */
import fc from 'fast-check'
import test from 'tape'
import { JournalFold } from '../../actors/journal-fold.ts'
import { numberOf } from '../../actors/notification-fold.ts'
import { nextDelivery, nextTelling, retryPauseMs } from '../../actors/notification-policy.ts'
import type { Fact, FactOf } from '../../schemas/journal.ts'
import { NOTIFICATIONS_KEPT_MAX, NOTIFIED_CHANGES_KEPT_MAX, NOTIFIED_CHANGES_MAX } from '../../schemas/limits.ts'
import type { NotifiedChange } from '../../schemas/notified-release.ts'
import type { Interval } from '../../schemas/subscription.ts'
import {
  added,
  delivered,
  frozen,
  head,
  KEY,
  made,
  moved,
  noticed,
  noticePassed,
  OTHER_KEY,
  passed,
  ready,
  subscribed,
  targetChosen,
  targetRemoved,
  thawed,
  undelivered,
} from './facts.ts'

const HOOK = { kind: 'hook', place: '/hook' } as const
const START_MS = 1_700_000_000_000
const MINUTE_MS = 60_000

type Action =
  | { readonly do: 'publish' | 'hear' | 'tell' | 'deliver'; readonly killed: boolean }
  | { readonly do: 'wait'; readonly minutes: number }
  | { readonly do: 'choose'; readonly interval: Interval }
  | { readonly do: 'restart'; readonly condensed: boolean }

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constantFrom('publish' as const, 'hear' as const, 'tell' as const, 'deliver' as const),
      killed: fc.nat({ max: 3 }).map((of) => of === 0),
    }),
    weight: 20,
  },
  { arbitrary: fc.nat({ max: 600 }).map((minutes) => ({ do: 'wait' as const, minutes })), weight: 4 },
  {
    arbitrary: fc
      .constantFrom<Interval>('now', 'hourly', 'daily', 'final')
      .map((interval) => ({ do: 'choose' as const, interval })),
    weight: 1,
  },
  { arbitrary: fc.boolean().map((condensed) => ({ do: 'restart' as const, condensed })), weight: 3 },
)

class World {
  nowMs = START_MS
  published = 0
  /** Every notification that was ever written down, and every one that reached the target. */
  readonly told: FactOf<'notification.made'>[] = []
  readonly received: number[] = []
  /** Whether the target takes what it is given. */
  isUp = true
  #journal: Fact[] = [added(), targetChosen()]
  #fold = foldOf(this.#journal)

  act(action: Action): void {
    if (action.do === 'wait') this.nowMs += action.minutes * MINUTE_MS
    else if (action.do === 'choose') this.#record(subscribed({ interval: action.interval }))
    else if (action.do === 'restart') this.restart(action.condensed)
    else if (action.do === 'publish') this.published++
    else if (action.do === 'hear') this.#hear(action.killed)
    else if (action.do === 'tell') this.#tell(action.killed)
    else this.#deliver(action.killed)
  }

  restart(condensed: boolean): void {
    if (condensed) {
      this.#journal = [{ type: 'journal.compacted', factsBefore: 0, atMs: 0 }, ...this.#fold.condensed()]
    }
    this.#fold = foldOf(this.#journal)
  }

  get state() {
    const { notifications } = this.#fold
    return { untold: notifications.untold(KEY), target: notifications.target(HOOK), kept: notifications.kept }
  }

  /** Killed: the head is written down, and the release is made ready by whoever comes next. */
  #hear(killed: boolean): void {
    const length = 3 * this.published
    this.#record(head(length))
    if (killed) this.restart(false)
    else if (this.published > 0) this.#record({ ...ready(length, this.published), atMs: this.nowMs })
  }

  /** Killed: before it is written down, so that nothing has happened. */
  #tell(killed: boolean): void {
    const next = nextTelling(this.state.untold, this.nowMs)
    if (next?.kind !== 'tell') return
    if (killed) return this.restart(false)
    const number = this.state.kept.newest + 1
    const fact = made(number, next.release, KEY, this.nowMs)
    const { interval } = this.state.untold
    const notification = { ...fact, notified: { ...fact.notified, previous: next.previous, interval } }
    this.told.push(notification)
    this.#record(notification)
  }

  /** Killed: after the target has it, before that is written down. */
  #deliver(killed: boolean): void {
    const { target, kept } = this.state
    if (target === null) return
    const next = nextDelivery(target, kept, this.nowMs)
    if (next?.kind === 'pass') this.#record(delivered(next.number, next.code, this.nowMs))
    if (next?.kind !== 'deliver') return
    if (!this.isUp) return this.#fail(next.number)
    this.received.push(next.number)
    if (killed) this.restart(false)
    else this.#record(delivered(next.number, '', this.nowMs))
  }

  #fail(number: number): void {
    const { failure } = this.state.target ?? { failure: null }
    const tries = (failure?.tries ?? 0) + 1
    const [sinceMs, retryAtMs] = [failure?.sinceMs ?? this.nowMs, this.nowMs + retryPauseMs(tries)]
    this.#record({ ...undelivered(number, tries), sinceMs, retryAtMs })
  }

  #record(fact: Fact): void {
    this.#journal.push(fact)
    this.#fold.add(fact)
  }
}

function foldOf(facts: Iterable<Fact>): JournalFold {
  const fold = new JournalFold()
  for (const fact of facts) fold.add(fact)
  return fold
}

/** Whatever happened before: from here on nothing is killed, and all that is due gets its time. */
function comeToRest(world: World): void {
  world.act({ do: 'hear', killed: false })
  for (let i = 0; i < 2_000; i++) {
    world.act({ do: 'tell', killed: false })
    world.act({ do: 'deliver', killed: false })
    world.nowMs += MINUTE_MS
    const { untold, target, kept } = world.state
    if (untold.ready <= untold.told && target?.done === kept.newest) return
  }
  throw new Error('it does not come to rest')
}

test('notifications: killed anywhere, any number of times → every release told once, in order, and delivered in order', (t) => {
  let [kills, notifications, repeated] = [0, 0, 0]
  fc.assert(
    fc.property(fc.array(anyAction, { maxLength: 120, size: 'max' }), (actions) => {
      const world = new World()
      for (const action of actions) world.act(action)
      comeToRest(world)
      kills += actions.filter((action) => action.do === 'restart' || ('killed' in action && action.killed)).length
      notifications += world.told.length
      world.told.forEach(({ notified: { number, previous, release, interval } }, i) => {
        const before = world.told[i - 1]?.notified
        if (number !== i + 1) throw new Error(`number ${number} after ${i}`)
        if (previous !== (before?.release ?? 0)) throw new Error(`#${release} tells from #${previous} on`)
        if (release <= previous) throw new Error(`#${release} is told twice`)
        if (interval === 'now' && i > 0 && release !== previous + 1) throw new Error(`#${previous + 1} is left out`)
      })
      if ((world.told.at(-1)?.notified.release ?? 0) !== world.published) throw new Error('the newest is not told')
      const once = world.received.filter((number, i) => number !== world.received[i - 1])
      repeated += world.received.length - once.length
      if (once.join() !== world.told.map(({ notified }) => notified.number).join()) throw new Error('out of order')
      return true
    }),
    { numRuns: 400 },
  )
  t.comment(`${kills} kills, ${notifications} notifications, ${repeated} delivered once more after a kill`)
  t.ok(repeated > 0 && notifications > 400)
  t.end()
})

test('notifications: a digest → not before its period is over, and then of everything at once', (t) => {
  for (const [interval, periodMinutes] of [
    ['hourly', 60],
    ['daily', 24 * 60],
  ] as const) {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 60 }), (pauses) => {
        const world = new World()
        world.act({ do: 'choose', interval })
        for (const minutes of [0, ...pauses]) {
          world.act({ do: 'wait', minutes })
          world.act({ do: 'publish', killed: false })
          world.act({ do: 'hear', killed: false })
          world.act({ do: 'tell', killed: false })
          if (minutes % 7 === 0) world.restart(minutes % 2 === 0)
        }
        const times = world.told.map(({ atMs }) => atMs)
        return times.every((atMs, i) => i < 2 || atMs - (times[i - 1] ?? 0) >= periodMinutes * MINUTE_MS)
      }),
      { numRuns: 300 },
    )
  }
  const world = new World()
  world.act({ do: 'choose', interval: 'daily' })
  const publish = (): void => {
    for (const action of ['publish', 'hear', 'tell'] as const) world.act({ do: action, killed: false })
  }
  publish()
  t.deepEqual(world.told.length, 1, 'the first release at once: it says that the channel is followed')
  for (let hour = 0; hour < 24; hour++) {
    publish()
    world.act({ do: 'wait', minutes: 60 })
  }
  t.equal(world.told.length, 1)
  world.act({ do: 'tell', killed: false })
  t.deepEqual(world.told.at(-1)?.notified.previous, 1)
  t.deepEqual(world.told.at(-1)?.notified.release, 25)
  t.end()
})

test('notifications: a target that is down for an hour → everything in order once it is up, within a pause', (t) => {
  const world = new World()
  world.isUp = false
  for (let minute = 0; minute < 60; minute++) {
    for (const action of ['publish', 'hear', 'tell', 'deliver'] as const) world.act({ do: action, killed: false })
    if (minute % 9 === 0) world.restart(minute % 2 === 0)
    world.act({ do: 'wait', minutes: 1 })
  }
  t.deepEqual(world.received, [])
  t.ok((world.state.target?.failure?.tries ?? 0) < 12, 'it was not asked all the time')
  world.isUp = true
  comeToRest(world)
  t.deepEqual(
    world.received,
    Array.from({ length: 60 }, (_, i) => i + 1),
  )
  t.equal(world.state.target?.undelivered, 0)
  t.end()
})

test('notifications: a target that is down for ever → given up one by one, and the queue stays bounded', (t) => {
  const world = new World()
  world.isUp = false
  for (let hour = 0; hour < 24 * 8; hour++) {
    for (const action of ['publish', 'hear', 'tell', 'deliver', 'deliver'] as const)
      world.act({ do: action, killed: false })
    world.act({ do: 'wait', minutes: 60 })
  }
  t.ok((world.state.target?.undelivered ?? 0) >= 2, 'after three days each')
  const facts: Fact[] = [added(), targetChosen()]
  for (let number = 1; number <= NOTIFICATIONS_KEPT_MAX + 10; number++) facts.push(made(number, number))
  const { notifications } = foldOf(facts)
  t.deepEqual(notifications.kept, { oldest: 11, newest: NOTIFICATIONS_KEPT_MAX + 10 })
  const target = notifications.target(HOOK)
  t.deepEqual(target && nextDelivery(target, notifications.kept, START_MS), {
    kind: 'pass',
    number: 10,
    code: 'DELIVERY_OVERFLOW',
  })
  t.deepEqual(foldOf([...facts, delivered(10, 'DELIVERY_OVERFLOW')]).notifications.target(HOOK)?.undelivered, 10)
  t.end()
})

test('notifications: long lists of changes → the oldest notifications go, the newest stays whatever it has', (t) => {
  const change: NotifiedChange = {
    ...{ kind: 'added' as const, name: 'aa', architecture: 'amd64', from: null, to: '1', byteLength: 1, section: '' },
    ...{
      priority: 'unknown' as const,
      urgency: 'medium' as const,
      security: false,
      installed: null,
      upgrade: false,
      conflicts: [],
    },
  }
  const changes = Array.from({ length: NOTIFIED_CHANGES_MAX }, () => change)
  const long = (number: number): Fact => {
    const fact = made(number, number)
    return { ...fact, notified: { ...fact.notified, changes } }
  }
  const facts = Array.from({ length: 30 }, (_, i) => long(i + 1))
  const { kept } = foldOf(facts).notifications
  t.equal(kept.newest - kept.oldest + 1, NOTIFIED_CHANGES_KEPT_MAX / NOTIFIED_CHANGES_MAX)
  t.end()
})

test('notifications: a subscription of a channel that passes to others → goes with it; the newest word counts', (t) => {
  const facts = [
    added(),
    added(OTHER_KEY, 'other'),
    subscribed({ interval: 'daily' }),
    subscribed({ interval: 'final' }),
  ]
  t.equal(foldOf([...facts, moved()]).notifications.subscription(OTHER_KEY).interval, 'final')
  const own = [...facts, subscribed({ interval: 'hourly' }, OTHER_KEY), moved()]
  t.equal(foldOf(own).notifications.subscription(OTHER_KEY).interval, 'hourly')
  t.equal(
    foldOf([added()]).notifications.subscription(KEY).interval,
    'now',
    'nobody said anything: everything, at once',
  )
  t.end()
})

test('notifications: facts about what is done, or about no target → change nothing', (t) => {
  const facts: Fact[] = [added(), made(1, 1), targetChosen(0), delivered(1)]
  const target = foldOf(facts).notifications.target(HOOK)
  t.deepEqual(foldOf([...facts, undelivered(1), delivered(1, 'HOOK_FAILED')]).notifications.target(HOOK), target)
  t.deepEqual(foldOf([...facts, targetRemoved(), delivered(2)]).notifications.targets, [])
  t.deepEqual(foldOf([added(), passed(4), passed(2)]).notifications.untold(KEY).told, 4)
  t.end()
})

test('notices: withdrawals, freezes and thaws → told once, whatever is condensed in between', (t) => {
  const facts: Fact[] = [added(), ready(3, 1), made(1, 1)]
  const state = (condensed: boolean): unknown[] => {
    const fold = foldOf(facts)
    const { notifications: n } = condensed
      ? foldOf([{ type: 'journal.compacted', factsBefore: 0, atMs: 0 }, ...fold.condensed()])
      : fold
    return [n.withdrawnTold(KEY), n.freshnessUntold(KEY), n.kept.newest]
  }
  const after = (fact: Fact, expected: readonly unknown[], what: string): void => {
    facts.push(fact)
    t.deepEqual([state(false), state(true)], [expected, expected], what)
  }
  after(noticePassed(2), [2, null, 1], 'what was withdrawn before the first release')
  after(noticed(2, 'withdrawn'), [3, null, 2], 'the next one has the next number')
  after(frozen(1), [3, 'frozen', 2], 'a freeze is to be told')
  after(noticePassed(4), [4, 'frozen', 2], 'a withdrawal that nobody wants to hear of leaves that as it is')
  after(noticed(3, 'frozen'), [4, null, 3], 'and was told')
  after(thawed(), [4, 'thawed', 3], 'so is a thaw')
  after(noticed(4, 'thawed'), [4, null, 4], 'and was told')
  t.deepEqual(foldOf(facts).notifications.made.map(numberOf), [1, 2, 3, 4])
  t.deepEqual(foldOf(facts).notifications.untold(KEY).madeAtMs.length, 1, 'the rate of releases is that of releases')
  t.end()
})
