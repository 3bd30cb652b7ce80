/** The reader of other people's Hyperbees: honest trees against Hyperbee itself, and blocks that no Hyperbee writes. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import Hyperbee from 'hyperbee'
import { type Index, Node, YoloIndex } from 'hyperbee/lib/messages.js'
import type Hypercore from 'hypercore'
import { INDEX_BLOCK_BYTES_MAX, INDEX_DEPTH_MAX, INDEX_NODE_KEYS_MAX } from '../../schemas/limits.ts'
import { BeeReader } from '../../store/bee-reader.ts'
import { collect, openStore, scratchFolder, stanza, MAIN, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'
import { readRelease } from '../../store/release-block.ts'

async function emptyCore(t: Assert): Promise<Hypercore> {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const core = store.cores.get({ name: 'bee' })
  await core.ready()
  return core
}

const openBee = (core: Hypercore): Hyperbee => new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' })

/** 1 to 3 bytes from few letters: keys that are prefixes of each other, and many that come again. */
function randomKey(): Buffer {
  const [length = 0, ...letters] = randomBytes(4)
  return Buffer.from(letters.slice(0, 1 + (length % 3)).map((byte) => 0x61 + (byte % 16)))
}

async function put(bee: Hyperbee, keys: readonly Buffer[], value: string): Promise<void> {
  const batch = bee.batch({ update: false })
  for (const key of keys) await batch.put(key, Buffer.from(value))
  await batch.flush()
}

const text = ({ key, value }: { key: Buffer; value: Buffer }): string => `${key.toString()} ${value.toString()}`

/** All of one length of `core`, some ranges of it and single keys, read by both. */
async function compare(t: Assert, core: Hypercore, length: number): Promise<void> {
  const reader = new BeeReader(core, length)
  const bee = openBee(core)
  await bee.ready()
  const honest = bee.checkout(length)
  const [lowest, highest] = [Buffer.alloc(0), Buffer.of(0xff)]
  const expected = (await collect(honest.createReadStream())).map(text)
  t.alike((await collect(reader.range(lowest, highest))).map(text), expected, `${expected.length} entries`)
  for (let i = 0; i < 20; i++) {
    const [one, other] = [randomKey(), randomKey()].sort((a, b) => Buffer.compare(a, b)) as [Buffer, Buffer]
    const inRange = (await collect(honest.createReadStream({ gte: one, lt: other }))).map(text)
    t.alike(
      (await collect(reader.range(one, other))).map(text),
      inRange,
      `from ${one.toString()} to ${other.toString()}`,
    )
    const [found, known] = [await reader.get(one), await honest.get(one)]
    t.alike(found === null ? null : text(found), known === null ? null : text(known), one.toString())
  }
}

test('bee reader: trees of random keys in batches, now and as of each batch → as Hyperbee reads them', async (t) => {
  const core = await emptyCore(t)
  const bee = openBee(core)
  const lengths: number[] = []
  for (const [i, count] of [1, 7, 8, 300, 40, 900].entries()) {
    await put(bee, Array.from({ length: count }, randomKey), `batch ${i}`)
    lengths.push(core.length)
  }
  for (const length of lengths) await compare(t, core, length)
})

test('bee reader: keys in ascending order, in one batch and each by itself → as Hyperbee reads them', async (t) => {
  const keys = [...new Set(Array.from({ length: 2_000 }, () => randomKey().toString()))]
    .sort()
    .map((key) => Buffer.from(key))
  const [batched, single] = [await emptyCore(t), await emptyCore(t)]
  const [bee, other] = [openBee(batched), openBee(single)]
  await put(bee, keys, 'first')
  await put(
    bee,
    keys.filter((_, i) => i % 3 === 0),
    'second',
  )
  await compare(t, batched, batched.length)
  for (const key of keys.slice(0, 100)) await put(other, [key], 'alone')
  await compare(t, single, single.length)
})

test('bee reader: nothing written, only the header → nothing found', async (t) => {
  const core = await emptyCore(t)
  for (const length of [0, 1]) {
    const reader = new BeeReader(core, length)
    t.alike(
      [await reader.get(Buffer.from('a')), await collect(reader.range(Buffer.from('a'), Buffer.from('b')))],
      [null, []],
    )
  }
})

type Levels = Index['levels']

function blockOf(key: string, levels: Levels): Buffer {
  return Node.encode({ key: Buffer.from(key), value: Buffer.from('value'), index: YoloIndex.encode({ levels }) })
}

const HEADER = Buffer.from('header')
const leaf = (...keys: number[]): Levels => [{ keys, children: [] }]
const chain = (length: number): Buffer[] =>
  Array.from({ length }, (_, i) => blockOf('m', i === 0 ? leaf(1) : [{ keys: [], children: [i, 0] }]))

/** Blocks after the header; the last one has the root. `length` leaves later ones out. */
const HOSTILE: Readonly<Record<string, { blocks: readonly Buffer[]; length?: number }>> = {
  'a node that is its own child': { blocks: [blockOf('m', [{ keys: [1], children: [1, 0, 1, 0] }])] },
  "two nodes of one block that are each other's child": {
    blocks: [
      blockOf('m', [
        { keys: [], children: [1, 1] },
        { keys: [], children: [1, 0] },
      ]),
    ],
  },
  'a child that was written later': {
    blocks: [blockOf('m', [{ keys: [1], children: [2, 0, 2, 0] }]), blockOf('n', leaf(2))],
    length: 2,
  },
  'a child that was written later, within the length': {
    blocks: [
      blockOf('m', [{ keys: [1], children: [2, 0, 2, 0] }]),
      blockOf('n', [{ keys: [2], children: [1, 0, 1, 0] }]),
    ],
  },
  'a child in the header': { blocks: [blockOf('m', [{ keys: [1], children: [0, 0, 0, 0] }])] },
  'a child that its block does not have': { blocks: [blockOf('m', [{ keys: [1], children: [1, 7, 1, 7] }])] },
  'a child number beyond all bounds': {
    blocks: [blockOf('m', [{ keys: [1], children: [2 ** 40, 0, 1, 2 ** 40] }])],
  },
  'more children than its keys need': { blocks: [blockOf('m', [{ keys: [], children: [1, 0, 1, 0] }])] },
  'fewer children than its keys need': {
    blocks: [blockOf('k', leaf(1)), blockOf('m', [{ keys: [2], children: [1, 0] }])],
  },
  'a key outside the index': { blocks: [blockOf('m', leaf(9))] },
  'a key in the header': { blocks: [blockOf('m', leaf(0))] },
  'a key that was written later': { blocks: [blockOf('m', leaf(2)), blockOf('n', leaf(2))], length: 2 },
  'more keys than a node can have': {
    blocks: [blockOf('m', leaf(...Array.from({ length: INDEX_NODE_KEYS_MAX + 1 }, () => 1)))],
  },
  'no node at all': { blocks: [blockOf('m', [])] },
  'no bytes at all': { blocks: [Buffer.alloc(0)] },
  'bytes that are no block': { blocks: [Buffer.alloc(64, 0xff)] },
  'a block whose index is garbage': {
    blocks: [Node.encode({ key: Buffer.from('m'), value: null, index: Buffer.alloc(40, 0xff) })],
  },
  'a block larger than any': { blocks: [blockOf('m'.repeat(INDEX_BLOCK_BYTES_MAX), leaf(1))] },
  'a tree deeper than any': { blocks: chain(INDEX_DEPTH_MAX + 2) },
}

/** Counts the blocks that are read from `core`. */
function countReads(core: Hypercore): () => number {
  const get = core.get.bind(core)
  let count = 0
  core.get = async (block, options) => {
    count++
    return get(block, options)
  }
  return () => count
}

for (const [what, { blocks, length }] of Object.entries(HOSTILE)) {
  test(`bee reader: ${what} → INDEX_INVALID, after a few blocks`, async (t) => {
    const core = await emptyCore(t)
    await core.append([HEADER, ...blocks])
    const reads = countReads(core)
    for (const key of ['a', 'm', 'z']) {
      const reader = new BeeReader(core, length ?? core.length)
      const got = await codeOf(reader.get(Buffer.from(key)))
      const ranged = await codeOf(collect(reader.range(Buffer.from(key), Buffer.of(0xff))))
      // A search that meets its key above the trouble has its answer.
      const isFound = got === 'accepted' && (await reader.get(Buffer.from(key)))?.key.toString() === key
      t.ok(got === 'INDEX_INVALID' || isFound, `get ${key}: ${got}`)
      t.is(ranged, 'INDEX_INVALID', `range from ${key}`)
    }
    t.ok(reads() < 10 * (INDEX_DEPTH_MAX + 2), `${reads()} blocks`)
  })
}

test('bee reader: a tree as deep as the bound → read', async (t) => {
  const core = await emptyCore(t)
  await core.append([HEADER, ...chain(INDEX_DEPTH_MAX + 1)])
  const reader = new BeeReader(core, core.length)
  t.is((await reader.get(Buffer.from('m')))?.key.toString(), 'm')
  t.is(await reader.get(Buffer.from('z')), null)
})

test('bee reader: keys that are not in order, subtrees that come again → INDEX_INVALID', async (t) => {
  const [unordered, repeated] = [await emptyCore(t), await emptyCore(t)]
  await unordered.append([HEADER, blockOf('n', leaf(1)), blockOf('m', leaf(1, 2))])
  await repeated.append([HEADER, blockOf('k', leaf(1)), blockOf('m', [{ keys: [2], children: [1, 0, 1, 0] }])])
  for (const core of [unordered, repeated]) {
    const reader = new BeeReader(core, core.length)
    t.is(await codeOf(collect(reader.range(Buffer.from('a'), Buffer.from('z')))), 'INDEX_INVALID')
  }
})

test('bee reader: honest blocks with flipped bits, random bytes → an answer or INDEX_INVALID', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const honest = store.cores.get({ name: 'honest' })
  await honest.ready()
  await put(openBee(honest), Array.from({ length: 60 }, randomKey), 'value')
  const seen = new Map<string, number>()
  for (let round = 0; round < 60; round++) {
    const core = store.cores.get({ name: `round ${round}` })
    await core.ready()
    await core.append(await altered(honest))
    const reader = new BeeReader(core, core.length)
    for (const key of [randomKey(), randomKey()]) {
      for (const ask of [() => reader.get(key), () => collect(reader.range(key, Buffer.of(0xff)))]) {
        const code = await codeOf(ask)
        seen.set(code, (seen.get(code) ?? 0) + 1)
      }
    }
    await core.close()
  }
  t.alike([...seen.keys()].sort(), ['INDEX_INVALID', 'accepted'], JSON.stringify([...seen]))
})

/** The blocks of `core`, some with a bit or all bytes changed; the newest, which has the root, among them in half the cases. */
async function altered(core: Hypercore): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for (let i = 0; i < core.length; i++) {
    const bytes = Buffer.from((await core.get(i, {})) as Buffer)
    const [chance = 0, at = 0, bit = 0] = randomBytes(3)
    if (chance < 16) blocks.push(randomBytes(bytes.length))
    else {
      const place = at % bytes.length
      if (chance < 48) bytes[place] = (bytes[place] ?? 0) ^ (1 << (bit % 8))
      blocks.push(bytes)
    }
  }
  return blocks
}

test('index of a channel: another length, another tree hash → INDEX_INVALID', async (t) => {
  const channel = await TestChannel.create(t)
  const heads = []
  for (const version of ['1', '2']) {
    await channel.publish({ [MAIN]: stanza('aa', version) })
    heads.push((await readRelease(channel.log, channel.history.newest?.block ?? 0)).release.index)
  }
  const [before, now] = heads as [(typeof heads)[0], (typeof heads)[0]]
  t.is(await codeOf(channel.log.indexAt(now)), 'accepted')
  t.is(await codeOf(channel.log.indexAt(before)), 'accepted')
  t.is(await codeOf(channel.log.indexAt({ ...now, length: before.length })), 'INDEX_INVALID')
  t.is(await codeOf(channel.log.indexAt({ ...before, length: now.length })), 'INDEX_INVALID')
  t.is(await codeOf(channel.log.indexAt({ ...now, treeHash: randomBytes(32) })), 'INDEX_INVALID')
})
