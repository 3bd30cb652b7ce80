/** What strangers may say to an exchange, in any order: nothing but a RangeError comes of it, and nothing grows without a bound. */
import fc from 'fast-check'
import test from 'tape'
import { decodeMessage } from '../../../schemas/codec.ts'
import { Bundle } from '../../../schemas/bundle.ts'
import { FreshetError } from '../../../schemas/errors.ts'
import { BLOCKS_ASKED_MAX, EXPECTED_PIECES_MAX, PIECE_BYTES } from '../../../schemas/limits.ts'
import { NumberSet } from '../../../schemas/number-set.ts'
import { exchangeFrames } from '../../../protocols/exchange-frames.ts'
import type { ExchangeWord } from '../../../protocols/exchange/exchange-words.ts'
import { Exchange } from '../../../protocols/exchange/exchange.ts'

const PEERS = 3
const bundle = new Bundle([
  { byteLength: 3 * PIECE_BYTES + 1, checksBlocks: true },
  { byteLength: 2 * PIECE_BYTES, checksBlocks: false },
  { byteLength: 0, checksBlocks: true },
  { byteLength: 100, checksBlocks: false },
])

/** A number of the bundle, or a little or far beyond it. */
const number = fc.oneof(fc.nat({ max: bundle.blocks + 1 }), fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER))
const piece = fc.oneof(fc.nat({ max: bundle.pieces }), fc.nat())
const mask = fc.oneof(fc.nat({ max: 0xffff }), fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER))
const word: fc.Arbitrary<ExchangeWord> = fc.oneof(
  fc.record({ type: fc.constant('want' as const), pieces: fc.array(piece, { maxLength: 8 }) }),
  fc.record({ type: fc.constant('have' as const), blocks: fc.array(number, { maxLength: 40 }) }),
  fc.record({ type: fc.constantFrom('hand' as const, 'expect' as const), piece }),
  fc.record({ type: fc.constantFrom('ask' as const, 'cancel' as const, 'refuse' as const), piece, blocks: mask }),
)
type Step =
  | { readonly peer: number; readonly word: ExchangeWord }
  | {
      readonly peer: number
      readonly act: 'block' | 'right' | 'wrong' | 'send' | 'tick' | 'leave' | 'join'
      readonly block: number
    }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ peer: fc.nat({ max: PEERS }), word }) },
  fc.record({
    peer: fc.nat({ max: PEERS }),
    act: fc.constantFrom('block', 'right', 'wrong', 'send', 'tick', 'leave', 'join'),
    block: fc.nat({ max: bundle.blocks - 1 }),
  }),
)

function exchangeOf(isOrigin: boolean): Exchange {
  return new Exchange({
    bundle,
    held: isOrigin ? NumberSet.full(bundle.blocks) : new NumberSet(bundle.blocks),
    wanted: isOrigin ? new NumberSet(bundle.pieces) : NumberSet.full(bundle.pieces),
    isOrigin,
    say: () => {},
    mayAsk: () => true,
    urgent: () => [],
    random: () => 0.5,
  })
}

function join(exchange: Exchange, peer: number, nowMs: number): void {
  if (exchange.partners.has(peer)) return
  const [held, told] = [new NumberSet(bundle.blocks), new NumberSet(bundle.blocks)]
  const opening = { held, told, wanted: NumberSet.full(bundle.pieces), roundTripMs: 20, givesLeaves: peer > 0 }
  exchange.join(peer, opening, nowMs)
}

function take(exchange: Exchange, one: Step, nowMs: number): void {
  if ('word' in one) return exchange.hear(one.peer, one.word, nowMs)
  const { peer, act, block } = one
  if (act === 'join') join(exchange, peer, nowMs)
  if (act === 'leave') exchange.leave(peer, nowMs)
  if (act === 'block') exchange.arrived(peer, block, nowMs)
  if (act === 'right') exchange.keep([block], nowMs)
  if (act === 'wrong') exchange.lose([block], nowMs)
  if (act === 'send') exchange.nextUpload(() => true)
  if (act === 'tick') exchange.tick(nowMs)
}

test('exchange: any words in any order → a RangeError or nothing, bounded, and whole as soon as an honest peer gives', (t) => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 200 }), (isOrigin, steps) => {
      const exchange = exchangeOf(isOrigin)
      let nowMs = 0
      for (let peer = 0; peer < PEERS; peer++) join(exchange, peer, nowMs)
      for (const one of steps) {
        nowMs += 30
        try {
          take(exchange, one, nowMs)
        } catch (error) {
          if (!(error instanceof RangeError)) throw error
          exchange.leave(one.peer, nowMs) // its line is closed
        }
        for (const { queue, awaited, expects, askedBytes } of exchange.partners.values()) {
          if (queue.size + awaited.size > BLOCKS_ASKED_MAX || expects.size > EXPECTED_PIECES_MAX) return false
          if (askedBytes < 0) return false
        }
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.pass('300 conversations')
  t.end()
})

test('exchange frames: any bytes → a body, or an error with a code', (t) => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 17_000 }))
  fc.assert(
    fc.property(fc.constantFrom(...exchangeFrames), bytes, ({ body }, some) => {
      try {
        decodeMessage(body as Parameters<typeof decodeMessage>[0], Buffer.from(some))
      } catch (error) {
        return error instanceof FreshetError
      }
      return true
    }),
    { numRuns: 2_000 },
  )
  t.pass('2,000 frames')
  t.end()
})
