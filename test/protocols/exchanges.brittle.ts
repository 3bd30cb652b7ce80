/** Bundles between real pools over real sockets, some of whose peers lie, drip, babble or say nothing. */
import { readFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { FreshetError } from '../../schemas/errors.ts'
import { LINE_ON_WAY_BYTES_MAX, PIECE_BYTES } from '../../schemas/limits.ts'
import { NumberSet } from '../../schemas/number-set.ts'
import { bundleOf } from '../../schemas/bundle-files.ts'
import { guardConnection } from '../../protocols/guard.ts'
import type { ArtifactSource } from '../../protocols/shared-bundle.ts'
import type { Pool } from '../../store/pool.ts'
import { closed, tcpPair, until } from '../helpers/connections.ts'
import {
  attach,
  connect,
  DISCOVERY_KEY,
  fetchInto,
  hostile,
  hostileSession,
  logOf,
  type Node,
  nodeOf,
  NOTHING,
  poolWith,
} from '../helpers/exchange-peers.ts'
import { fixture, type Fixture, withoutRoot } from '../helpers/pool-fixtures.ts'

const MINUTE = { timeout: 60_000 }

/** Reads as the pool does, unless said otherwise, and counts. */
function counted(pool: Pool, instead: Partial<ArtifactSource> = {}): ArtifactSource & { reads: number } {
  return {
    reads: 0,
    held: (digest) => pool.held(digest),
    layer: (digest) => pool.layer(digest),
    async read(digest, byteOffset, byteLength) {
      this.reads++
      return (instead.read ?? pool.read.bind(pool))(digest, byteOffset, byteLength)
    },
    ...(instead.layer === undefined ? {} : { layer: instead.layer }),
  }
}

interface World {
  readonly taker: Node
  readonly pool: Pool
  readonly seeds: readonly Node[]
  readonly file: Fixture
}

/** One file, a taker, and a node for each of `sources`, connected to the taker. */
async function world(t: Assert, file: Fixture, sources: readonly ArtifactSource[], root = true): Promise<World> {
  const log = logOf([[root ? file.artifact : withoutRoot(file)]])
  const pool = await poolWith(t)
  const taker = nodeOf(t, log, pool)
  const seeds = sources.map((source) => nodeOf(t, log, source))
  for (const seed of seeds) await connect(t, taker, seed)
  return { taker, pool, seeds, file }
}

async function isRight(pool: Pool, { artifact, bytes }: Fixture): Promise<boolean> {
  const path = pool.pathOf(artifact.digest)
  return path !== null && (await readFile(path)).equals(bytes)
}

for (const byteLength of [0, 1, 59_000, PIECE_BYTES, 3_000_001]) {
  for (const root of [true, false]) {
    test(`exchange: ${byteLength} bytes ${root ? '' : 'without a root '}from two seeds → whole and right`, async (t) => {
      const file = fixture(byteLength, 1)
      const seeded = await poolWith(t, file)
      const { taker, pool } = await world(t, file, [seeded, seeded], root)
      const { outcome } = await fetchInto(t, taker, pool, root ? file.artifact : withoutRoot(file))
      t.is(await outcome, 'none')
      t.ok(await isRight(pool, file))
      t.is(taker.blamed.size, 0)
      if (root && byteLength > 8 * PIECE_BYTES) t.is(taker.came.size, 2, 'both gave')
      if (!root && byteLength > PIECE_BYTES) t.is(taker.came.size, 1, 'one at a time')
    })
  }
}

const LIES: Record<string, (pool: Pool, file: Fixture) => ArtifactSource> = {
  'wrong bytes': (pool) =>
    counted(pool, {
      read: async (digest, byteOffset, byteLength) => {
        const bytes = Buffer.from(await pool.read(digest, byteOffset, byteLength))
        bytes[0] = (bytes[0] ?? 0) ^ 1
        return bytes
      },
    }),
  'wrong piece hashes': (pool, { layer }) => counted(pool, { layer: async () => Buffer.alloc(layer.byteLength) }),
}
for (const [what, lie] of Object.entries(LIES)) {
  test(`exchange: one seed gives ${what} → PIECE_MISMATCH names it, another completes`, async (t) => {
    const file = fixture(3_000_001, 2)
    const seeded = await poolWith(t, file)
    const { taker, pool } = await world(t, file, [lie(seeded, file)])
    const { outcome } = await fetchInto(t, taker, pool, file.artifact)
    await until(() => taker.blamed.size === 1)
    await connect(t, taker, nodeOf(t, taker.log, seeded))
    t.is(await outcome, 'none')
    t.ok(await isRight(pool, file))
    t.alike([...taker.blamed.values()], ['PIECE_MISMATCH'])
  })
}

test('exchange: a peer gives wrong block hashes → PIECE_MISMATCH names it, another completes', async (t) => {
  const file = fixture(200_000, 3)
  const { taker, pool } = await world(t, file, [])
  const { blocks, pieces } = bundleOf([file.artifact])
  await connect(
    t,
    taker,
    hostile((session) => ({
      open: () =>
        void session().send.open({
          handle: 0,
          discoveryKey: DISCOVERY_KEY,
          block: 0,
          part: 0,
          held: NumberSet.full(blocks).encode(),
          wanted: new NumberSet(pieces).encode(),
        }),
      askWithLeaves: ({ piece }) => void session().send.leaves({ handle: 0, piece, bytes: Buffer.alloc(32 * blocks) }),
    })),
  )
  const { outcome } = await fetchInto(t, taker, pool, file.artifact)
  await until(() => taker.blamed.size === 1)
  await connect(t, taker, nodeOf(t, taker.log, await poolWith(t, file)))
  t.is(await outcome, 'none')
  t.alike([...taker.blamed.values()], ['PIECE_MISMATCH'])
})

test('exchange: no hashes are known and one of two seeds lies → it is named, the other completes', async (t) => {
  const file = fixture(1_000_001, 4)
  const seeded = await poolWith(t, file)
  const liar = counted(seeded, { read: async (_, __, byteLength) => Buffer.alloc(byteLength) })
  const { taker, pool } = await world(t, file, [liar], false)
  const { outcome } = await fetchInto(t, taker, pool, withoutRoot(file))
  await until(() => taker.blamed.size === 1)
  await connect(t, taker, nodeOf(t, taker.log, seeded))
  t.is(await outcome, 'none')
  t.ok(await isRight(pool, file))
})

test('exchange: a frame that cannot be decoded → MESSAGE_MALFORMED closes the connection', async (t) => {
  const { taker } = await world(t, fixture(1000, 5), [])
  const { stream } = await connect(t, taker, (mux) => {
    const channel = mux.createChannel({
      protocol: 'freshet/exchange/1',
      messages: Array.from({ length: 18 }, () => ({})),
    })
    channel?.open()
    channel?.messages[12]?.send(Buffer.from([1, 2, 253, 255, 255]))
  })
  await closed(stream)
  t.is(taker.refused[0]?.code, 'MESSAGE_MALFORMED')
})

test('exchange: word of more bytes than were sent → MESSAGE_MALFORMED closes the connection', async (t) => {
  const { taker } = await world(t, fixture(1000, 5), [])
  const { stream } = await connect(
    t,
    taker,
    hostile((session) => ({ ping: () => void session().send.got({ byteLength: 1, atMs: 0 }) })),
  )
  await closed(stream)
  t.is(taker.refused[0]?.code, 'MESSAGE_MALFORMED')
})

test('exchange: nobody has it → ARTIFACT_UNAVAILABLE after the wait', async (t) => {
  const file = fixture(1_000_001, 7)
  const { taker, pool } = await world(t, file, [NOTHING])
  const { outcome } = await fetchInto(t, taker, pool, file.artifact, { patienceMs: 300 })
  t.is(await outcome, 'ARTIFACT_UNAVAILABLE')
})

test('exchange: a bundle that nothing names the file in → EVENT_INVALID', async (t) => {
  const { taker, pool } = await world(t, fixture(10, 1), [])
  t.is(await (await fetchInto(t, taker, pool, fixture(11, 2).artifact)).outcome, 'EVENT_INVALID')
})

test('exchange: the only seed leaves in the middle, another joins later → completes with what was there', async (t) => {
  const file = fixture(20 * PIECE_BYTES, 8)
  const seeded = await poolWith(t, file)
  const { taker, pool } = await world(t, file, [])
  const first = await connect(t, taker, nodeOf(t, taker.log, seeded))
  const { outcome } = await fetchInto(t, taker, pool, file.artifact)
  await until(() => (taker.came.get(first.key) ?? 0) > 8 * PIECE_BYTES)
  first.stream.destroy()
  await closed(first.stream)
  const second = await connect(t, taker, nodeOf(t, taker.log, seeded))
  t.is(await outcome, 'none')
  t.ok(await isRight(pool, file))
  t.ok((taker.came.get(second.key) ?? 0) <= 13 * PIECE_BYTES, 'what was there was not sent again')
})

test('exchange: a signal aborts → INTERRUPTED, and the line serves the next fetch', async (t) => {
  const file = fixture(40 * PIECE_BYTES, 9)
  const { taker, pool } = await world(t, file, [await poolWith(t, file)])
  const run = await fetchInto(t, taker, pool, file.artifact)
  await until(() => taker.came.size > 0)
  run.controller.abort()
  t.is(await run.outcome, 'INTERRUPTED')
  t.is(await (await fetchInto(t, taker, pool, file.artifact)).outcome, 'none')
  t.alike(taker.refused, [])
})

for (const bundles of [1, 30]) {
  for (const isOrigin of [false, true]) {
    const seed = isOrigin ? 'the origin' : 'a seed'
    test(`exchange: 30 files at once in ${bundles} bundles from ${seed} → all complete`, MINUTE, async (t) => {
      const files = Array.from({ length: 30 }, (_, i) => fixture(100_000 + i * 30_000, 100 + i))
      const blocks = bundles === 1 ? [files.map(({ artifact }) => artifact)] : files.map(({ artifact }) => [artifact])
      const pool = await poolWith(t)
      const taker = nodeOf(t, logOf(blocks), pool)
      await connect(t, taker, nodeOf(t, logOf(blocks, isOrigin), await poolWith(t, ...files)))
      const runs = await Promise.all(
        files.map(({ artifact }, i) => fetchInto(t, taker, pool, artifact, { block: bundles === 1 ? 0 : i })),
      )
      for (const { outcome } of runs) t.is(await outcome, 'none')
    })
  }
}

test('exchange: a long file → what waits in the connection stays little', MINUTE, async (t) => {
  const file = fixture(100 * PIECE_BYTES, 10)
  const seeded = await poolWith(t, file)
  const { taker, pool } = await world(t, file, [])
  let highest = 0
  const source = counted(seeded, {
    read: (digest, byteOffset, byteLength) => {
      highest = Math.max(highest, link.far.queuedBytes)
      return seeded.read(digest, byteOffset, byteLength)
    },
  })
  const link = await connect(t, taker, nodeOf(t, taker.log, source))
  t.is(await (await fetchInto(t, taker, pool, file.artifact)).outcome, 'none')
  t.ok(highest <= LINE_ON_WAY_BYTES_MAX + 4096, `${highest} bytes`)
  t.ok(source.reads < 200, `${source.reads} reads of 100 pieces`)
})

test('exchange: a peer asks far more than it may and does not read → little is queued for it', async (t) => {
  const file = fixture(4 * PIECE_BYTES, 11)
  const node = nodeOf(t, logOf([[file.artifact]]), await poolWith(t, file))
  const [asker, near] = await tcpPair()
  t.teardown(() => (asker.destroy(), near.destroy()))
  const mux = attach(node, near)
  const far = guardConnection(asker, { notReadingMs: 60_000 })
  let opened = false
  const session = hostileSession(far, { open: () => void (opened = true) })
  const { blocks, pieces } = bundleOf([file.artifact])
  const maps = { held: new NumberSet(blocks).encode(), wanted: NumberSet.full(pieces).encode() }
  session.send.open({ handle: 0, discoveryKey: DISCOVERY_KEY, block: 0, part: 0, ...maps })
  await until(() => opened)
  asker.rawStream.pause()
  let highest = 0
  for (let i = 0; i < 20_000 && !near.destroyed; i++) {
    session.send.ask({ handle: 0, piece: i % pieces, blocks: 0xffff })
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    highest = Math.max(highest, mux.queuedBytes)
  }
  t.ok(highest <= LINE_ON_WAY_BYTES_MAX, `${highest} bytes queued at most`)
  t.ok(node.sentBytes <= LINE_ON_WAY_BYTES_MAX, `${node.sentBytes} bytes sent of which no word came`)
})

test(
  'exchange: three nodes want 20 files each of a bundle of 200 → little else comes, or is passed on',
  MINUTE,
  async (t) => {
    const files = Array.from({ length: 200 }, (_, i) => fixture(20_000 + i * 100, 500 + i))
    const log = logOf([files.map(({ artifact }) => artifact)], true)
    const takers = await Promise.all([0, 1, 2].map(async () => ({ pool: await poolWith(t), log })))
    const nodes = takers.map(({ pool }) => nodeOf(t, { ...log, isOrigin: false }, pool))
    const origin = nodeOf(t, log, await poolWith(t, ...files))
    for (const [i, node] of nodes.entries())
      for (const other of [origin, ...nodes.slice(0, i)]) await connect(t, node, other)
    // Half of what each wants the one before it wants as well.
    const wanted = nodes.map((_, i) => files.filter((_, file) => file % 10 === i || file % 10 === i + 1).slice(0, 20))
    const runs = nodes.flatMap((node, i) =>
      (wanted[i] ?? []).map(({ artifact }) =>
        fetchInto(t, node, takers[i]?.pool as Pool, artifact, { patienceMs: 60_000 }),
      ),
    )
    for (const { outcome } of await Promise.all(runs)) t.is(await outcome, 'none')
    for (const [i, node] of nodes.entries()) {
      const own = (wanted[i] ?? []).reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
      const came = [...node.came.values()].reduce((sum, byteLength) => sum + byteLength, 0)
      t.ok(came <= own * 1.05, `${came} bytes for ${own}`)
      t.ok(node.sentBytes <= own * 2, `${node.sentBytes} bytes passed on, each to two at most`)
    }
  },
)

test('exchange: a taker that joins three seeds → each gives some', async (t) => {
  const file = fixture(40 * PIECE_BYTES, 12)
  const seeded = await poolWith(t, file)
  const { taker, pool } = await world(t, file, [seeded, seeded, seeded])
  t.is(await (await fetchInto(t, taker, pool, file.artifact)).outcome, 'none')
  t.is(taker.came.size, 3)
})

test('exchange: a disk that fails → its error ends the fetch, and nothing else', async (t) => {
  const files = [fixture(900_000, 13), fixture(900_000, 14)] as const
  const log = logOf([files.map(({ artifact }) => artifact)])
  const pool = await poolWith(t)
  const taker = nodeOf(t, log, pool)
  await connect(t, taker, nodeOf(t, log, await poolWith(t, ...files)))
  const full = new FreshetError('DISK_FULL', 'no room')
  const failing = await fetchInto(t, taker, pool, files[0].artifact, {
    wrap: (sink) => ({
      artifact: sink.artifact,
      pieces: sink.pieces,
      awaited: null,
      has: (index) => sink.has(index),
      readable: (index) => sink.readable(index),
      acceptLayer: (layer) => sink.acceptLayer(layer),
      write: () => Promise.reject(full),
      read: (at, length) => sink.read(at, length),
      complete: () => sink.complete(),
    }),
  })
  const other = await fetchInto(t, taker, pool, files[1].artifact)
  t.is(await failing.outcome, 'DISK_FULL')
  t.is(await other.outcome, 'none')
  t.alike([taker.blamed.size, taker.refused.length], [0, 0])
})

test('exchange: a held file that cannot be read → refused and told, another seed gives it', async (t) => {
  const file = fixture(900_000, 15)
  const seeded = await poolWith(t, file)
  const broken = counted(seeded, { read: () => Promise.reject(new FreshetError('IO_ERROR', 'bad sector')) })
  const { taker, pool, seeds } = await world(t, file, [broken])
  const { outcome } = await fetchInto(t, taker, pool, file.artifact)
  await until(() => seeds[0]?.faults.length !== 0)
  await connect(t, taker, nodeOf(t, taker.log, seeded))
  t.is(await outcome, 'none')
  t.is(seeds[0]?.faults[0]?.code, 'IO_ERROR')
  t.is(taker.blamed.size, 0)
})
