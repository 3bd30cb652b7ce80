import fc from 'fast-check'
import test from 'tape'
import { choosePiece, type PieceAsk, type PieceChoice } from '../../protocols/choose-piece.ts'
import { PIECE_HEDGE_MS } from '../../schemas/limits.ts'
import type { KeyHex } from '../../schemas/units.ts'

const A = 'a'.repeat(64) as KeyHex
const B = 'b'.repeat(64) as KeyHex

function choice(held: string, changes: Partial<PieceChoice> = {}): PieceChoice {
  const lowest = held.indexOf('.') === -1 ? held.length : held.indexOf('.')
  const asked = new Map<number, PieceAsk[]>()
  const isHeld = (piece: number): boolean => held[piece] === 'x'
  return { pieces: held.length, lowest, held: isHeld, asked, first: 0, verifiable: true, nowMs: 0, ...changes }
}

test('choose piece: some pieces are held → the first missing one', (t) => {
  t.equal(choosePiece(choice('xx..x.'), A), 2)
  t.end()
})

test('choose piece: a reader waits further on → from there, then the rest', (t) => {
  t.equal(choosePiece(choice('......', { first: 4 }), A), 4)
  t.equal(choosePiece(choice('....xx', { first: 4 }), A), 0)
  t.equal(choosePiece(choice('......', { first: 99 }), A), 0)
  t.equal(choosePiece(choice('......', { first: -1 }), A), 0)
  t.end()
})

test('choose piece: all missing ones are asked for → a late one is asked of a second peer, once', (t) => {
  const asked = new Map([[1, [{ peer: A, askedAtMs: 0 }]]])
  const early = choice('x.x', { asked, nowMs: PIECE_HEDGE_MS - 1 })
  const late = choice('x.x', { asked, nowMs: PIECE_HEDGE_MS })
  t.equal(choosePiece(early, B), null)
  t.equal(choosePiece(late, B), 1)
  t.equal(choosePiece(late, A), null, 'not of the same peer')
  t.equal(choosePiece({ ...late, verifiable: false }, B), null, 'not when it cannot be checked')
  asked.set(1, [...(asked.get(1) ?? []), { peer: B, askedAtMs: 0 }])
  t.equal(choosePiece(late, 'c'.repeat(64) as KeyHex), null, 'not of a third')
  t.end()
})

test('choose piece: any state → never a piece that is held, and none only when all are held or asked for', (t) => {
  const state = fc.record({
    held: fc.array(fc.constantFrom('x', '.'), { minLength: 1, maxLength: 40 }).map((pieces) => pieces.join('')),
    asked: fc.uniqueArray(fc.nat(39)),
    first: fc.integer({ min: -5, max: 45 }),
  })
  fc.assert(
    fc.property(state, ({ held, asked, first }) => {
      const asks = new Map(
        asked.filter((piece) => piece < held.length).map((piece) => [piece, [{ peer: A, askedAtMs: 0 }]]),
      )
      const piece = choosePiece(choice(held, { asked: asks, first }), B)
      const free = [...held].filter((mark, index) => mark === '.' && !asks.has(index)).length
      return piece === null ? free === 0 : held[piece] === '.' && !asks.has(piece)
    }),
  )
  t.end()
})
