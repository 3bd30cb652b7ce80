/**
 * Watch one channel's age: its newest release says until when it is good, and a view that stays beyond that is frozen.
 *
 * Every edge is a fact in the journal (schemas/journal.ts): so what was told before a restart is not told again after it. The
 * clock is the ports' (actors/ports/await-freshness.ts); a release that becomes ready makes them look anew.
 * Tests: test/actors/watch-freshness.tape.ts.
 */
import { assign, setup } from 'xstate'
import type { FactOf } from '../schemas/journal.ts'
import type { KeyHex } from '../schemas/units.ts'
import { port } from './port.ts'

export interface FreshnessInput {
  readonly key: KeyHex
}
export interface FreshnessContext extends FreshnessInput {
  /** Valid-Until of the release that froze, in Unix milliseconds; 0: the view is fresh. */
  readonly frozenSinceMs: number
}
export type FreshnessFact = FactOf<'release.ready' | 'channel.frozen' | 'channel.thawed'>

export const watchFreshness = setup({
  types: { input: {} as FreshnessInput, context: {} as FreshnessContext, events: {} as FreshnessFact },
  actors: {
    awaitFreeze: port<FreshnessContext>('awaitFreeze'),
    awaitThaw: port<FreshnessContext>('awaitThaw'),
  },
  actions: {
    noteFrozen: assign((_, frozenSinceMs: number) => ({ frozenSinceMs })),
    noteThawed: assign({ frozenSinceMs: 0 }),
  },
}).createMachine({
  id: 'watchFreshness',
  description: 'Tells when the newest release of one channel is older than it may be, and when that is over.',
  context: ({ input }) => ({ ...input, frozenSinceMs: 0 }),
  initial: 'fresh',
  states: {
    fresh: {
      description: 'The newest release is good, or does not say until when.',
      invoke: { src: 'awaitFreeze', input: ({ context }) => context },
      on: {
        'release.ready': { target: 'fresh', reenter: true },
        'channel.frozen': {
          target: 'frozen',
          actions: { type: 'noteFrozen', params: ({ event }) => event.validUntilMs },
        },
      },
    },
    frozen: {
      description: 'Its Valid-Until has passed, and nothing newer was heard of.',
      invoke: { src: 'awaitThaw', input: ({ context }) => context },
      on: {
        'release.ready': { target: 'frozen', reenter: true },
        'channel.thawed': { target: 'fresh', actions: 'noteThawed' },
      },
    },
  },
})
