/**
 * Follow one channel: a newer signed head arrives, its release is rebuilt and checked, and it becomes what is served.
 *
 * Every edge is a fact in the journal (schemas/journal.ts), so folding the journal rebuilds this state; the release that was
 * ready stays ready while the next one is prepared, refused, or the publisher is found to have rewritten its log.
 * A publisher's own channels run the same machine. Live ports: actors/ports/. Tests: test/actors/follow-channel.tape.ts.
 */
import { assign, setup } from 'xstate'
import type { Fact, FactOf } from '../schemas/journal.ts'
import type { KeyHex } from '../schemas/units.ts'
import { port } from './port.ts'

export interface FollowInput {
  readonly key: KeyHex
}
export interface FollowContext extends FollowInput {
  /** Blocks of the newest signed head that was accepted. */
  readonly headLength: number
  /** Blocks of the head whose release is ready, and that release; 0: none yet. */
  readonly readyLength: number
  readonly readyNumber: number
  /** Blocks of the head that was last refused, and why; 0 and '': none. */
  readonly refusedLength: number
  readonly code: string
}
export type FollowFact = FactOf<'head.accepted' | 'release.ready' | 'release.refused' | 'channel.stopped'>

export const followChannel = setup({
  types: { input: {} as FollowInput, context: {} as FollowContext, events: {} as FollowFact },
  actors: {
    watchHead: port<FollowContext>('watchHead'),
    prepareSnapshot: port<FollowContext>('prepareSnapshot'),
  },
  guards: {
    isLonger: ({ context }, length: number) => length > context.headLength,
    headMovedOn: ({ context }, length: number) => context.headLength > length,
    isOfHead: ({ context }, { length, number }: FactOf<'release.ready'>) =>
      length === context.headLength && number > context.readyNumber,
  },
  actions: {
    noteHead: assign((_, headLength: number) => ({ headLength })),
    noteReady: assign((_, fact: FactOf<'release.ready'>) => ({
      readyLength: fact.length,
      readyNumber: fact.number,
      refusedLength: 0,
      code: '',
    })),
    noteRefused: assign((_, fact: FactOf<'release.refused'>) => ({ refusedLength: fact.length, code: fact.code })),
    noteStopped: assign((_, code: string) => ({ code })),
  },
}).createMachine({
  id: 'followChannel',
  description: 'Keeps the newest release of one channel ready to serve.',
  context: ({ input }) => ({ ...input, headLength: 0, readyLength: 0, readyNumber: 0, refusedLength: 0, code: '' }),
  initial: 'following',
  states: {
    following: {
      description: 'The log is open; heads arrive by push.',
      invoke: { src: 'watchHead', input: ({ context }) => context },
      on: {
        'channel.stopped': {
          target: 'stopped',
          actions: { type: 'noteStopped', params: ({ event }) => event.code },
        },
      },
      initial: 'current',
      states: {
        current: {
          description: 'The newest accepted head is ready, or there is none yet.',
          on: {
            'head.accepted': {
              guard: { type: 'isLonger', params: ({ event }) => event.length },
              target: 'preparing',
              actions: { type: 'noteHead', params: ({ event }) => event.length },
            },
            'release.ready': {
              description: 'It was held back, and this node takes it after all.',
              guard: { type: 'isOfHead', params: ({ event }) => event },
              actions: { type: 'noteReady', params: ({ event }) => event },
            },
          },
        },
        preparing: {
          description: 'Blocks of the newest release are fetched; its indexes are rebuilt and checked.',
          invoke: { src: 'prepareSnapshot', input: ({ context }) => context },
          on: {
            'head.accepted': {
              guard: { type: 'isLonger', params: ({ event }) => event.length },
              actions: { type: 'noteHead', params: ({ event }) => event.length },
            },
            'release.ready': [
              {
                guard: { type: 'headMovedOn', params: ({ event }) => event.length },
                target: 'preparing',
                reenter: true,
                actions: { type: 'noteReady', params: ({ event }) => event },
              },
              { target: 'current', actions: { type: 'noteReady', params: ({ event }) => event } },
            ],
            'release.refused': [
              {
                guard: { type: 'headMovedOn', params: ({ event }) => event.length },
                target: 'preparing',
                reenter: true,
                actions: { type: 'noteRefused', params: ({ event }) => event },
              },
              { target: 'refused', actions: { type: 'noteRefused', params: ({ event }) => event } },
            ],
          },
        },
        refused: {
          description: 'The newest head brought a release that does not hold; the one before is served.',
          on: {
            'head.accepted': {
              guard: { type: 'isLonger', params: ({ event }) => event.length },
              target: 'preparing',
              actions: { type: 'noteHead', params: ({ event }) => event.length },
            },
          },
        },
      },
    },
    stopped: { type: 'final', description: 'The publisher contradicted itself; the last good release stays served.' },
  },
})

export function isFollowFact(fact: Fact): fact is FollowFact {
  return ['head.accepted', 'release.ready', 'release.refused', 'channel.stopped'].includes(fact.type)
}
