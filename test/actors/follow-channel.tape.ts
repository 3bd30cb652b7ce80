import fc from 'fast-check'
import test from 'tape'
import { createActor, type SnapshotFrom } from 'xstate'
import { followChannel, type FollowContext, type FollowFact } from '../../actors/follow-channel.ts'
import { livePort } from '../../actors/port.ts'
import { applyFact, initialState, resume } from '../../actors/recover.ts'
import { anyFollowFact, head, KEY, ready, refused, stopped } from './facts.ts'

type State = SnapshotFrom<typeof followChannel>

const input = { key: KEY }
const BLANK = { key: KEY, headLength: 0, readyLength: 0, readyNumber: 0, refusedLength: 0, code: '' }

function fold(facts: readonly FollowFact[], from: State = initialState(followChannel, input)): State {
  return facts.reduce((state, fact) => applyFact(followChannel, state, fact), from)
}

const valueOf = ({ value }: State): string => (typeof value === 'string' ? value : value.following)

/** With ports that do nothing; `started` names each at every start. */
function live(started: string[] = []) {
  const idle = (name: string) =>
    livePort<FollowContext>(
      async () => void started.push(name),
      () => {},
    )
  return followChannel.provide({ actors: { watchHead: idle('watchHead'), prepareSnapshot: idle('prepareSnapshot') } })
}

const CASES: readonly { facts: FollowFact[]; value: string; context?: Partial<typeof BLANK> }[] = [
  { facts: [], value: 'current' },
  { facts: [head(5)], value: 'preparing', context: { headLength: 5 } },
  { facts: [head(5), head(9)], value: 'preparing', context: { headLength: 9 } },
  { facts: [head(5), ready(5, 1)], value: 'current', context: { headLength: 5, readyLength: 5, readyNumber: 1 } },
  { facts: [head(5), ready(7, 2)], value: 'current', context: { headLength: 5, readyLength: 7, readyNumber: 2 } },
  {
    facts: [head(5), ready(5, 1), ready(5, 2)],
    value: 'current',
    context: { headLength: 5, readyLength: 5, readyNumber: 2 },
  },
  { facts: [head(5), refused(5)], value: 'refused', context: { headLength: 5, refusedLength: 5, code: 'CODE_5' } },
  {
    facts: [head(5), head(9), ready(5, 1)],
    value: 'preparing',
    context: { headLength: 9, readyLength: 5, readyNumber: 1 },
  },
  {
    facts: [head(5), head(9), refused(5)],
    value: 'preparing',
    context: { headLength: 9, refusedLength: 5, code: 'CODE_5' },
  },
  {
    facts: [head(5), refused(5), head(8), ready(8, 2)],
    value: 'current',
    context: { headLength: 8, readyLength: 8, readyNumber: 2 },
  },
  {
    facts: [head(5), ready(5, 1), head(8), refused(8)],
    value: 'refused',
    context: { headLength: 8, readyLength: 5, readyNumber: 1, refusedLength: 8, code: 'CODE_8' },
  },
  {
    facts: [head(5), ready(5, 1), stopped()],
    value: 'stopped',
    context: { headLength: 5, readyLength: 5, readyNumber: 1, code: 'HISTORY_REWRITE' },
  },
  { facts: [head(5), stopped()], value: 'stopped', context: { headLength: 5, code: 'HISTORY_REWRITE' } },
  { facts: [stopped()], value: 'stopped', context: { code: 'HISTORY_REWRITE' } },
]

for (const { facts, value, context = {} } of CASES) {
  const told = facts.map(({ type, ...fact }) => `${type} ${'length' in fact ? fact.length : ''}`.trim()).join(', ')
  test(`follow channel: ${told === '' ? 'no fact' : told} → ${value}`, (t) => {
    const state = fold(facts)
    t.equal(valueOf(state), value)
    t.deepEqual(state.context, { ...BLANK, ...context })
    t.end()
  })
}

test('follow channel: every state of the machine → reached by a case above', (t) => {
  const { current, preparing, refused: no, ...others } = followChannel.states.following?.states ?? {}
  t.ok(current && preparing && no)
  t.deepEqual(Object.keys(others), [])
  t.deepEqual(Object.keys(followChannel.states), ['following', 'stopped'])
  t.deepEqual([...new Set(CASES.map(({ value }) => value))].toSorted(), ['current', 'preparing', 'refused', 'stopped'])
  t.end()
})

test('follow channel: stale facts → nothing changes', (t) => {
  const settled = fold([head(8), ready(8, 2)])
  for (const stale of [head(8), head(5), ready(5, 1), ready(8, 2), ready(9, 3), refused(8), refused(9)]) {
    t.equal(fold([stale], settled), settled, `${stale.type} ${stale.length} when current`)
  }
  const no = fold([head(8), refused(8)])
  for (const stale of [head(8), head(5), ready(8, 2), refused(8)])
    t.equal(fold([stale], no), no, `${stale.type} when refused`)
  const end = fold([head(8), stopped()])
  for (const late of [head(9), ready(8, 2), refused(8), stopped()])
    t.equal(fold([late], end), end, `${late.type} when stopped`)
  t.end()
})

test('follow channel: a crash after any fact → the resumed machine is where the live one was', (t) => {
  fc.assert(
    fc.property(fc.array(anyFollowFact(KEY), { maxLength: 16 }), (facts) => {
      const actor = createActor(live(), { input })
      actor.start()
      return facts.every((fact, i) => {
        actor.send(fact)
        const now = actor.getSnapshot()
        const folded = fold(facts.slice(0, i + 1))
        const resumed = resume(live(), input, folded)
        resumed.start()
        const then = resumed.getSnapshot()
        resumed.stop()
        return [folded, then].every(
          (other) =>
            fc.stringify([other.value, other.context, other.status]) ===
            fc.stringify([now.value, now.context, now.status]),
        )
      })
    }),
    { numRuns: 150 },
  )
  t.pass('150 journals, at every prefix')
  t.end()
})

test('follow channel: resumed in any state → just the ports of that state are started', (t) => {
  const startsOf = (...facts: FollowFact[]): string[] => {
    const started: string[] = []
    const actor = resume(live(started), input, fold(facts))
    actor.start()
    actor.stop()
    return started.toSorted()
  }
  t.deepEqual(startsOf(), ['watchHead'])
  t.deepEqual(startsOf(head(5)), ['prepareSnapshot', 'watchHead'])
  t.deepEqual(startsOf(head(5), ready(5, 1)), ['watchHead'])
  t.deepEqual(startsOf(head(5), refused(5)), ['watchHead'])
  t.deepEqual(startsOf(stopped()), [])
  t.end()
})

test('follow channel: a release that is ready while the head moved on → prepared anew, and the head is watched on', (t) => {
  const started: string[] = []
  const actor = createActor(live(started), { input })
  actor.start()
  for (const fact of [head(5), head(9), ready(5, 1), ready(9, 2)]) actor.send(fact)
  t.deepEqual(started, ['watchHead', 'prepareSnapshot', 'prepareSnapshot'])
  t.end()
})

test('follow channel: a resumed port → is given the context of when its state was entered', (t) => {
  const given: unknown[] = []
  const port = livePort<FollowContext>(
    async (context) => void given.push(context),
    () => {},
  )
  const machine = live().provide({ actors: { watchHead: port, prepareSnapshot: port } })
  resume(machine, input, fold([head(5), ready(5, 1), head(9)])).start()
  t.deepEqual(given, [BLANK, { ...BLANK, headLength: 9, readyLength: 5, readyNumber: 1 }])
  t.end()
})

test('follow channel: a port that was not provided → an error, not a machine that waits for ever', (t) => {
  const actor = createActor(followChannel, { input })
  const errors: string[] = []
  actor.subscribe({ error: (error) => errors.push(String(error)) })
  actor.start()
  t.deepEqual(errors, ['Error: port watchHead was not provided'])
  t.equal(actor.getSnapshot().status, 'error')
  t.end()
})
