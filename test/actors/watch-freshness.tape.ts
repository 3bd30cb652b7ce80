import test from 'tape'
import { createActor } from 'xstate'
import { livePort } from '../../actors/port.ts'
import { applyFact, initialState, resume } from '../../actors/recover.ts'
import { watchFreshness, type FreshnessContext, type FreshnessFact } from '../../actors/watch-freshness.ts'
import { frozen, KEY, ready, thawed } from './facts.ts'

const input = { key: KEY }

/** With ports that do nothing; `started` names each at every start. */
function live(started: string[]) {
  const idle = (name: string) =>
    livePort<FreshnessContext>(
      async () => void started.push(name),
      () => {},
    )
  return watchFreshness.provide({ actors: { awaitFreeze: idle('awaitFreeze'), awaitThaw: idle('awaitThaw') } })
}

const CASES: readonly [facts: FreshnessFact[], value: string, frozenSinceMs: number, ports: string][] = [
  [[], 'fresh', 0, 'awaitFreeze'],
  [[ready(3, 1)], 'fresh', 0, 'awaitFreeze awaitFreeze'],
  [[frozen(7)], 'frozen', 7, 'awaitFreeze awaitThaw'],
  [[frozen(7), frozen(8)], 'frozen', 7, 'awaitFreeze awaitThaw'],
  [[frozen(7), ready(6, 2)], 'frozen', 7, 'awaitFreeze awaitThaw awaitThaw'],
  [[frozen(7), ready(6, 2), thawed()], 'fresh', 0, 'awaitFreeze awaitThaw awaitThaw awaitFreeze'],
  [[thawed()], 'fresh', 0, 'awaitFreeze'],
]

test('watch freshness: facts in any order → the state, and which clock runs', (t) => {
  for (const [facts, value, frozenSinceMs, ports] of CASES) {
    const what = facts.map(({ type }) => type).join(' ') || 'nothing'
    const folded = facts.reduce(
      (state, fact) => applyFact(watchFreshness, state, fact),
      initialState(watchFreshness, input),
    )
    t.deepEqual([folded.value, folded.context], [value, { key: KEY, frozenSinceMs }], what)
    const started: string[] = []
    const actor = createActor(live(started), { input }).start()
    for (const fact of facts) actor.send(fact)
    t.deepEqual([actor.getSnapshot().value, started.join(' ')], [value, ports], `live: ${what}`)
    actor.stop()
    const again: string[] = []
    const resumed = resume(live(again), input, folded).start()
    t.deepEqual([resumed.getSnapshot().value, again], [value, [ports.split(' ').at(-1)]], `resumed: ${what}`)
    resumed.stop()
  }
  t.end()
})
