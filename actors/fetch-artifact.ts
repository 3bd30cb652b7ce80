/**
 * Fetch one artifact that somebody asked for: from peers, piece by piece, into the pool.
 *
 * Folding the journal at start takes up what was wanted and neither kept nor given up; the pool remembers the pieces.
 * Which peer gives which piece is not decided here (protocols/exchange/): bytes never go through an actor.
 * Live port: actors/ports/fetches.ts. Tests: test/actors/fetch-artifact.tape.ts.
 */
import { assign, setup } from 'xstate'
import type { FactOf } from '../schemas/journal.ts'
import { port } from './port.ts'

export interface FetchInput {
  readonly wanted: FactOf<'artifact.wanted'>
}
export interface FetchContext extends FetchInput {
  /** Why it was given up; '' otherwise. */
  readonly code: string
}
export type FetchFact = FactOf<'artifact.kept' | 'artifact.unavailable'>

export const fetchArtifact = setup({
  types: { input: {} as FetchInput, context: {} as FetchContext, events: {} as FetchFact },
  actors: { transfer: port<FetchContext>('transfer') },
  actions: { noteCode: assign((_, code: string) => ({ code })) },
}).createMachine({
  id: 'fetchArtifact',
  description: 'Brings one artifact into the pool.',
  context: ({ input }) => ({ ...input, code: '' }),
  initial: 'transferring',
  states: {
    transferring: {
      description: 'Pieces are asked for, checked and kept; peers that fail or lie are not asked again.',
      invoke: { src: 'transfer', input: ({ context }) => context },
      on: {
        'artifact.kept': 'kept',
        'artifact.unavailable': {
          target: 'unavailable',
          actions: { type: 'noteCode', params: ({ event }) => event.code },
        },
      },
    },
    kept: { type: 'final', description: 'Whole, equal to its SHA-256, on disk.' },
    unavailable: { type: 'final', description: 'Nobody could give it in the time there was.' },
  },
})
