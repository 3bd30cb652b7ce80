import fc from 'fast-check'
import test from 'tape'
import { isOffered, offeredRelease } from '../../actors/rollout-policy.ts'
import { rolloutPlace, SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { RolloutState } from '../../schemas/rollout.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'

const channelKey = keyHex(Buffer.alloc(32, 1))
const PREFERENCES = ['early', 'phased', 'last'] as const

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes): KeyHex => keyHex(Buffer.from(bytes)))
const anyShare = fc.integer({ min: 1, max: SHARE_WHOLE })
const anyState = (number: number): fc.Arbitrary<RolloutState> =>
  fc.record({ number: fc.constant(number), share: anyShare, halted: fc.option(fc.constant('breaks')) })

test('rollout policy: who is offered what → by preference, by place, and never what is halted', (t) => {
  const nodeKey = keyHex(Buffer.alloc(32, 9))
  const place = rolloutPlace(Buffer.alloc(32, 1), 5, Buffer.alloc(32, 9))
  const states = {
    outside: { number: 5, share: place, halted: null },
    inside: { number: 5, share: place + 1, halted: null },
    whole: { number: 5, share: SHARE_WHOLE, halted: null },
    halted: { number: 5, share: SHARE_WHOLE, halted: 'breaks' },
  }
  const offeredTo = (preference: (typeof PREFERENCES)[number]): string[] =>
    Object.entries(states).flatMap(([name, state]) =>
      isOffered(state, { channelKey, nodeKey, preference }) ? [name] : [],
    )
  t.deepEqual(offeredTo('phased'), ['inside', 'whole'])
  t.deepEqual(offeredTo('early'), ['outside', 'inside', 'whole'])
  t.deepEqual(offeredTo('last'), ['whole'])
  t.end()
})

test('rollout policy: a share that grows → drops nobody; early has all that phased has, phased all that last has', (t) => {
  fc.assert(
    fc.property(anyKey, fc.nat(1e6), anyShare, anyShare, (nodeKey, number, a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)]
      const offered = (share: number, preference: (typeof PREFERENCES)[number]): boolean =>
        isOffered({ number, share, halted: null }, { channelKey, nodeKey, preference })
      return PREFERENCES.every(
        (preference, i) =>
          (!offered(less, preference) || offered(more, preference)) &&
          PREFERENCES.slice(0, i).every((bolder) => !offered(more, preference) || offered(more, bolder)),
      )
    }),
    { numRuns: 5_000 },
  )
  t.pass('5,000 nodes')
  t.end()
})

test('rollout policy: any log, any node → the newest that is offered, and never back', (t) => {
  const anyLog = fc.integer({ min: 0, max: 12 }).chain((newest) =>
    fc.record({
      newest: fc.constant(newest),
      served: fc.nat(newest),
      states: fc.tuple(...Array.from({ length: newest }, (_, i) => fc.option(anyState(i + 1)))),
    }),
  )
  fc.assert(
    fc.property(anyLog, anyKey, fc.constantFrom(...PREFERENCES), ({ newest, served, states }, nodeKey, preference) => {
      const rollouts = new Map(states.flatMap((state) => (state === null ? [] : [[state.number, state] as const])))
      const takes = (state: RolloutState): boolean => isOffered(state, { channelKey, nodeKey, preference })
      const chosen = offeredRelease(newest, served, rollouts, takes)
      const offered = states.flatMap((state, i) => (state === null || takes(state) ? [i + 1] : []))
      return chosen === Math.max(served, ...offered, 0)
    }),
    { numRuns: 2_000 },
  )
  t.equal(
    offeredRelease(0, 0, new Map(), () => true),
    0,
    'nothing is there',
  )
  t.end()
})
