/** One exchange on its own: what it says to what it hears. Peers are numbers, the clock is ours. */
import test from 'tape'
import { Bundle } from '../../../schemas/bundle.ts'
import {
  HANDED_STUCK_MS,
  HAVE_DELAY_MS,
  HAVE_INTERVAL_MS,
  NEAR_MS,
  PIECE_BYTES,
  STALLED_MS_MAX,
} from '../../../schemas/limits.ts'
import { NumberSet } from '../../../schemas/number-set.ts'
import type { ExchangeWord } from '../../../protocols/exchange/exchange-words.ts'
import { Exchange } from '../../../protocols/exchange/exchange.ts'

const ALL = 0xffff

interface Said {
  readonly peer: number
  readonly word: ExchangeWord
}

interface CrowdOptions {
  urgent?: () => number[]
  checksBlocks?: boolean
  givesLeaves?: boolean
  near?: readonly number[]
  /** Peers that want nothing. */
  sated?: readonly number[]
}

/** Two pieces of sixteen blocks; a taker wants both. */
function exchangeOf(
  role: 'taker' | 'origin',
  peers: readonly number[],
  { urgent = () => [], checksBlocks = true, givesLeaves = true, near = [], sated = [] }: CrowdOptions = {},
): { exchange: Exchange; said: Said[] } {
  const bundle = new Bundle([{ byteLength: 2 * PIECE_BYTES, checksBlocks }])
  const said: Said[] = []
  const isOrigin = role === 'origin'
  const exchange = new Exchange({
    bundle,
    held: isOrigin ? NumberSet.full(bundle.blocks) : new NumberSet(bundle.blocks),
    wanted: isOrigin ? new NumberSet(bundle.pieces) : NumberSet.full(bundle.pieces),
    say: (peer, word) => said.push({ peer, word }),
    isOrigin: true,
    mayAsk: () => true,
    urgent,
    random: () => 0,
  })
  for (const peer of peers) {
    const opening = {
      held: new NumberSet(bundle.blocks),
      wanted: sated.includes(peer) ? new NumberSet(bundle.pieces) : NumberSet.full(bundle.pieces),
      told: new NumberSet(bundle.blocks),
      roundTripMs: 20,
      givesLeaves,
      isNear: near.includes(peer),
    }
    exchange.join(peer, opening, 0)
  }
  return { exchange, said }
}

/** Shows that `peer` can be believed. */
function deliver(exchange: Exchange, peer: number, block: number): void {
  exchange.hear(peer, { type: 'have', blocks: [block] }, 0)
  exchange.arrived(peer, block, 0)
  exchange.keep([block], 0)
}

const PIECE_0 = Array.from({ length: 16 }, (_, block) => block)

test('an origin hands each piece to one taker, and tells nobody else of it', (t) => {
  const { exchange, said } = exchangeOf('origin', [1, 2])
  exchange.tick(100)
  t.ok(said.every(({ word }) => word.type === 'hand'))
  t.same(
    said.map(({ word }) => (word.type === 'hand' ? word.piece : -1)),
    [0, 1],
  )
  t.end()
})

test('a piece that was handed to a taker who left is handed to another', (t) => {
  const { exchange, said } = exchangeOf('origin', [1, 2])
  const taker = said[0]?.peer ?? 0
  said.splice(0)
  exchange.leave(taker, 100)
  exchange.tick(150)
  t.same(said[0], { peer: 3 - taker, word: { type: 'hand', piece: 0 } })
  t.end()
})

test('who sends no hashes of blocks is asked for whole pieces: two of them in one piece could not be told apart', (t) => {
  const { exchange, said } = exchangeOf('taker', [1], { givesLeaves: false })
  exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
  t.same(said, [{ peer: 1, word: { type: 'ask', piece: 0, blocks: ALL } }])
  t.end()
})

test('what is handed over is asked for whole, and the others are told to expect it', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2, 3])
  exchange.hear(1, { type: 'hand', piece: 0 }, 0)
  t.same(said, [
    { peer: 1, word: { type: 'ask', piece: 0, blocks: ALL } },
    { peer: 2, word: { type: 'expect', piece: 0 } },
    { peer: 3, word: { type: 'expect', piece: 0 } },
  ])
  t.end()
})

test('what is asked of a peer before it has it leaves when it comes', (t) => {
  const { exchange } = exchangeOf('taker', [1, 2])
  exchange.hear(1, { type: 'hand', piece: 0 }, 0)
  exchange.hear(2, { type: 'ask', piece: 0, blocks: 0b11 }, 1)
  t.equal(
    exchange.nextUpload(() => true),
    null,
  )
  t.ok(exchange.arrived(1, 1, 2))
  exchange.keep([1], 2)
  t.same(
    exchange.nextUpload(() => true),
    { peer: 2, block: 1 },
  )
  t.equal(
    exchange.nextUpload(() => true),
    null,
  )
  t.end()
})

test('of a new block those who want nothing hear soon, and the others the later the more they are', (t) => {
  const peers = [1, 2, 3, 4, 5, 6, 7, 8]
  const { exchange, said } = exchangeOf('taker', peers, { sated: [8] })
  exchange.hear(1, { type: 'have', blocks: [0] }, 0)
  exchange.arrived(1, 0, 0)
  exchange.keep([0], 0)
  said.splice(0)
  const told = (nowMs: number): number[] => {
    exchange.tick(nowMs)
    return said.splice(0).flatMap(({ peer, word }) => (word.type === 'have' ? [peer] : []))
  }
  t.same(told(HAVE_DELAY_MS), [8])
  t.same(told(peers.length * HAVE_INTERVAL_MS - 1), [])
  t.same(told(peers.length * HAVE_INTERVAL_MS), [1, 2, 3, 4, 5, 6, 7])
  t.end()
})

test('what is neither here nor coming is refused', (t) => {
  const { exchange, said } = exchangeOf('taker', [1])
  exchange.hear(1, { type: 'ask', piece: 1, blocks: 0b101 }, 0)
  t.same(said, [{ peer: 1, word: { type: 'refuse', piece: 1, blocks: 0b101 } }])
  t.end()
})

test('a peer that says the same again and again is one source, and none when it has left', (t) => {
  const { exchange } = exchangeOf('taker', [1, 2])
  for (let i = 0; i < 3; i++) exchange.hear(1, { type: 'expect', piece: 0 }, i)
  exchange.hear(1, { type: 'have', blocks: [0, 1, 0] }, 3)
  t.equal(exchange.sources[0], 1)
  exchange.hear(1, { type: 'refuse', piece: 0, blocks: ALL }, 4)
  t.equal(exchange.sources[0], 0)
  exchange.hear(1, { type: 'expect', piece: 0 }, 5)
  exchange.leave(1, 6)
  t.equal(exchange.sources[0], 0)
  t.end()
})

test('what one peer refuses, or stalls with, is asked of another', (t) => {
  for (const ending of ['refuse', 'stall', 'leave'] as const) {
    const { exchange, said } = exchangeOf('taker', [1, 2])
    for (const peer of [1, 2]) deliver(exchange, peer, 15 + peer)
    exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
    exchange.hear(2, { type: 'have', blocks: PIECE_0 }, 0)
    t.same(said.splice(0).at(-1), { peer: 1, word: { type: 'ask', piece: 0, blocks: ALL } })
    if (ending === 'refuse') exchange.hear(1, { type: 'refuse', piece: 0, blocks: ALL }, 1)
    if (ending === 'stall') exchange.tick(STALLED_MS_MAX + 20)
    if (ending === 'leave') exchange.leave(1, 1)
    const asks = said.flatMap(({ peer, word }) =>
      peer === 2 && word.type === 'ask' && word.piece === 0 ? [word.blocks] : [],
    )
    t.equal(
      asks.reduce((all, blocks) => all | blocks, 0),
      ALL,
      ending,
    )
    t.equal(
      said.some(({ peer, word }) => peer === 1 && word.type === 'cancel'),
      ending === 'stall',
    )
  }
  t.end()
})

test('who has brought nothing yet is asked for little, and for one of the pieces that it says it is getting', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2])
  exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
  t.same(said.splice(0), [{ peer: 1, word: { type: 'ask', piece: 0, blocks: 0b1111 } }])
  exchange.hear(2, { type: 'expect', piece: 1 }, 0)
  exchange.hear(2, { type: 'expect', piece: 0 }, 0)
  t.same(said.splice(0), [{ peer: 2, word: { type: 'ask', piece: 1, blocks: ALL } }])
  exchange.arrived(1, 0, 1)
  exchange.keep([0], 1)
  t.ok(
    said.some(({ peer, word }) => peer === 1 && word.type === 'ask'),
    'more once a block was right',
  )
  t.end()
})

test('of who sends no hashes of blocks one at a time gives a file that came wrong from several', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2], { givesLeaves: false })
  exchange.distrust(0)
  exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
  exchange.hear(2, { type: 'have', blocks: Array.from({ length: 32 }, (_, block) => block) }, 0)
  t.ok(said.length > 0 && said.every(({ peer }) => peer === 1))
  t.end()
})

test('what is handed over is asked of who hands it, not of who only expects it', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2])
  exchange.hear(2, { type: 'expect', piece: 0 }, 0)
  said.splice(0)
  exchange.hear(1, { type: 'hand', piece: 0 }, 1)
  t.same(said.slice(0, 2), [
    { peer: 2, word: { type: 'cancel', piece: 0, blocks: ALL } },
    { peer: 1, word: { type: 'ask', piece: 0, blocks: ALL } },
  ])
  t.end()
})

test('what a peer keeps to itself goes to others', (t) => {
  const { exchange, said } = exchangeOf('origin', [1, 2])
  t.ok(said.splice(0).every(({ peer, word }) => peer === 1 && word.type === 'hand'))
  exchange.tick(0)
  for (const piece of [0, 1]) exchange.hear(1, { type: 'ask', piece, blocks: ALL }, 0)
  for (let upload = exchange.nextUpload(() => true); upload !== null; upload = exchange.nextUpload(() => true));
  exchange.tick(HANDED_STUCK_MS + 200)
  t.same(said, [], 'nobody has shown yet that it passes anything on')
  for (const ms of [900, 950]) exchange.tick(HANDED_STUCK_MS + ms)
  t.same(said[0], { peer: 2, word: { type: 'have', blocks: PIECE_0 } })
  t.end()
})

test('a block that came wrong is asked for again', (t) => {
  const { exchange, said } = exchangeOf('taker', [1])
  exchange.hear(1, { type: 'have', blocks: [3] }, 0)
  exchange.arrived(1, 3, 1)
  said.splice(0)
  exchange.lose([3], 2)
  t.same(said, [{ peer: 1, word: { type: 'ask', piece: 0, blocks: 1 << 3 } }])
  t.end()
})

test('what was not asked for is known as such when it comes', (t) => {
  const { exchange } = exchangeOf('taker', [1])
  t.notOk(exchange.arrived(1, 3, 0))
  t.notOk(exchange.arrived(9, 3, 0), 'a stranger')
  t.end()
})

test('what names no piece or block of the bundle is refused with an error', (t) => {
  const { exchange } = exchangeOf('taker', [1])
  t.throws(() => exchange.hear(1, { type: 'have', blocks: [32] }, 0), RangeError)
  for (const type of ['hand', 'expect'] as const) {
    t.throws(() => exchange.hear(1, { type, piece: 2 }, 0), RangeError)
  }
  for (const type of ['ask', 'cancel', 'refuse'] as const) {
    t.throws(() => exchange.hear(1, { type, piece: 2, blocks: 1 }, 0), RangeError)
  }
  t.end()
})

test('a peer that sends what nobody asked for stalls all the same', (t) => {
  const { exchange, said } = exchangeOf('taker', [1])
  exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
  said.splice(0)
  for (let nowMs = 0; nowMs < STALLED_MS_MAX; nowMs += 500) exchange.arrived(1, 20, nowMs)
  t.same(said, [])
  exchange.tick(STALLED_MS_MAX)
  t.ok(said.some(({ peer, word }) => peer === 1 && word.type === 'cancel'))
  t.end()
})

test('pieces that are wanted later are told to peers and asked for; those that are not wanted any more are taken back', (t) => {
  const { exchange, said } = exchangeOf('taker', [1])
  exchange.unwant([1])
  said.splice(0)
  exchange.hear(1, { type: 'have', blocks: [...PIECE_0, 16, 17] }, 0)
  t.same(said.splice(0), [{ peer: 1, word: { type: 'ask', piece: 0, blocks: 0b1111 } }])
  exchange.unwant([0])
  t.same(said.splice(0), [{ peer: 1, word: { type: 'cancel', piece: 0, blocks: 0b1111 } }])
  exchange.want([1], 1)
  t.same(said.splice(0), [
    { peer: 1, word: { type: 'want', pieces: [1] } },
    { peer: 1, word: { type: 'ask', piece: 1, blocks: 0b11 } },
  ])
  exchange.want([1], 2)
  t.same(said, [], 'said once')
  t.end()
})

test('a piece that is gone is refused to who waits for it, and told of again when it comes again', (t) => {
  const { exchange, said } = exchangeOf('taker', [1])
  exchange.keep([0, 1], 0)
  exchange.tick(100)
  t.same(said.splice(0), [{ peer: 1, word: { type: 'have', blocks: [0, 1] } }])
  exchange.hear(1, { type: 'ask', piece: 0, blocks: 0b11 }, 100)
  exchange.drop(0, 101)
  t.ok(said.splice(0).every(({ word }) => word.type === 'refuse'))
  t.equal(
    exchange.nextUpload(() => true),
    null,
  )
  exchange.keep([0, 1], 200)
  exchange.tick(300)
  t.same(said, [{ peer: 1, word: { type: 'have', blocks: [0, 1] } }])
  t.end()
})

test('what a reader waits for is asked for first, however rare the rest is', (t) => {
  const { exchange, said } = exchangeOf('taker', [1], { urgent: () => [1] })
  exchange.hear(1, { type: 'have', blocks: Array.from({ length: 32 }, (_, block) => block) }, 0)
  t.same(said[0], { peer: 1, word: { type: 'ask', piece: 1, blocks: 0b1111 } })
  t.end()
})

test('a file that only the whole of it checks comes from one giver at a time', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2], { checksBlocks: false })
  exchange.hear(1, { type: 'have', blocks: PIECE_0 }, 0)
  exchange.hear(2, { type: 'have', blocks: Array.from({ length: 32 }, (_, block) => block) }, 0)
  t.ok(said.length > 0 && said.every(({ peer }) => peer === 1), 'the other gives nothing of it')
  said.splice(0)
  exchange.leave(1, 1)
  t.ok(said.length > 0 && said.every(({ peer }) => peer === 2), 'until the first has left')
  t.end()
})

const BOTH = Array.from({ length: 32 }, (_, block) => block)

test('a peer of the local network has what two others have → it is asked of that one alone', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2, 3], { near: [2] })
  exchange.hear(2, { type: 'have', blocks: BOTH }, 0)
  for (const peer of [1, 3]) exchange.hear(peer, { type: 'have', blocks: BOTH }, 0)
  for (let block = 0; block < 32; block++) {
    const nowMs = 10 * (block + 1)
    exchange.arrived(2, block, nowMs)
    exchange.keep([block], nowMs)
    exchange.tick(nowMs)
  }
  const asked = said.filter(({ word }) => word.type === 'ask')
  t.same(new Set(asked.map(({ peer }) => peer)), new Set([2]))
  t.ok(exchange.complete)
  t.end()
})

test('a peer of the local network is silent → the rest is asked of others', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2], { near: [2] })
  exchange.hear(2, { type: 'have', blocks: BOTH }, 0)
  exchange.hear(1, { type: 'have', blocks: BOTH }, 0)
  const asked = (peer: number): boolean => said.some((one) => one.peer === peer && one.word.type === 'ask')
  exchange.tick(NEAR_MS - 1)
  t.same([asked(1), asked(2)], [false, true])
  exchange.tick(NEAR_MS)
  t.ok(asked(1))
  t.end()
})

test('a peer of the local network has one piece of two → the other is asked of who has it', (t) => {
  const { exchange, said } = exchangeOf('taker', [1, 2], { near: [2] })
  exchange.hear(2, { type: 'have', blocks: PIECE_0 }, 0)
  exchange.hear(1, { type: 'have', blocks: BOTH }, 0)
  const asks = said.flatMap(({ peer, word }) => (word.type === 'ask' ? [[peer, word.piece]] : []))
  t.same(asks, [
    [2, 0],
    [1, 1],
  ])
  t.end()
})
