/** TCP lines between nodes of a real DHT on loopback: who carries pieces, that both ends agree, and what happens when a line is killed. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import test from 'brittle'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import { openSwarm } from '../../protocols/swarm.ts'
import { closed, until } from '../helpers/connections.ts'
import { poolWith } from '../helpers/exchange-peers.ts'
import {
  carriedBy,
  dhtOnLoopback,
  joinAll,
  lineEnd,
  NEVER_MS,
  pair,
  type LineEnd,
  type LineEndOptions,
} from '../helpers/line-ends.ts'
import { fixture, type Fixture } from '../helpers/pool-fixtures.ts'

const MINUTE = { timeout: 60_000 }

/** The two ends of one Noise stream have one hash of their handshake. */
function isSameStream(a: LineEnd, b: LineEnd): boolean {
  const [hash, other] = [a, b].map(({ carriers }) => carriers.at(-1)?.stream.handshakeHash)
  return hash !== null && hash !== undefined && other !== null && other !== undefined && hash.equals(other)
}

async function holding(t: Assert, file: Fixture): Promise<Pick<LineEndOptions, 'source' | 'artifacts'>> {
  return { source: await poolWith(t, file), artifacts: [file.artifact] }
}

/** Fetches `file` from the peers of `end`. @param onBytes after each block, with how many bytes there were. */
async function fetched(t: Assert, end: LineEnd, file: Fixture, onBytes: (byteLength: number) => void): Promise<void> {
  const pool = await poolWith(t)
  const sink = await pool.begin(file.artifact)
  t.teardown(() => sink.close(), { order: -2 })
  const tally = new FetchTally(Date.now)
  const came = tally.came.bind(tally)
  tally.came = (source, byteLength) => {
    came(source, byteLength)
    onBytes(tally.bytes)
  }
  const options = {
    signal: new AbortController().signal,
    patienceMs: 30_000,
    tally,
    onLook: () => {},
    onUseful: () => {},
  }
  await end.node.exchanges.fetch(end.node.log, 1, sink, options, () => {})
  t.is(end.refusals.length, 0)
  const bytes = await readFile(pool.pathOf(file.artifact.digest) ?? '')
  t.ok(bytes.equals(file.bytes), 'every byte')
}

test(
  'lines: both listen → one line, the same for both; pieces go over it and not over the connection',
  MINUTE,
  async (t) => {
    const file = fixture(3_000_000, 1)
    const [decider, follower] = await pair(t, await holding(t, file), { artifacts: [file.artifact] })
    await carriedBy(true, decider, follower)
    t.ok(isSameStream(decider, follower))
    t.alike([decider.lines.tcpCount, follower.lines.tcpCount], [1, 1])
    await fetched(t, follower, file, () => {})
    t.ok((follower.carriers.at(-1)?.stream.rawBytesRead ?? 0) > file.bytes.byteLength)
    t.ok((follower.connections.at(-1)?.stream.rawBytesRead ?? 0) < 10_000)
    t.alike([decider.carriers.length, follower.carriers.length], [1, 1], 'decided once')
  },
)

test('lines: one end does not listen → the other one is dialled, whichever it is', MINUTE, async (t) => {
  for (const [deciders, followers] of [
    [null, 0],
    [0, null],
  ] as const) {
    const times = { turnMs: NEVER_MS, decideMs: NEVER_MS }
    const [decider, follower] = await pair(t, { port: deciders, times }, { port: followers, times })
    await carriedBy(true, decider, follower)
    t.ok(isSameStream(decider, follower))
    t.alike([decider.lines.port === 0, follower.lines.port === 0], [deciders === null, followers === null])
  }
})

test('lines: neither end listens → the connection carries pieces, without a wait', MINUTE, async (t) => {
  const file = fixture(600_000, 2)
  const never = { turnMs: NEVER_MS, decideMs: NEVER_MS, retryMs: NEVER_MS }
  const [decider, follower] = await pair(
    t,
    { port: null, times: never, artifacts: [file.artifact] },
    { port: null, times: never, ...(await holding(t, file)) },
  )
  await carriedBy(false, decider, follower)
  t.ok(isSameStream(decider, follower))
  await fetched(t, decider, file, () => {})
})

test('lines: a port that is taken → said once, and this end dials', MINUTE, async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const [decider, follower] = await pair(t, { port }, {})
  await carriedBy(true, decider, follower)
  t.alike(
    decider.troubles.map(({ code }) => code),
    ['ADDRESS_IN_USE'],
  )
})

test('lines: both dial at once, with many peers → one line for each pair, the same for both', MINUTE, async (t) => {
  const bootstrap = await dhtOnLoopback(t)
  const ends: LineEnd[] = []
  for (let i = 0; i < 5; i++) ends.push(await lineEnd(t, bootstrap, { times: { turnMs: 0 } }))
  await joinAll(...ends)
  await until(() => ends.every(({ lines }) => lines.tcpCount === ends.length - 1))
  await until(() => ends.every(({ lines }) => lines.pending === 0))
  const carrying = ends.flatMap(({ carriers }) => carriers.filter(({ stream, tcp }) => tcp && !stream.destroying))
  const hashes = carrying.map(({ stream }) => stream.handshakeHash?.toString('hex'))
  t.alike([hashes.length, new Set(hashes).size], [20, 10], 'each of ten lines at two ends')
})

test('lines: decided before a line stands → it is taken up when it does, by both', MINUTE, async (t) => {
  const file = fixture(3_000_000, 3)
  const [decider, follower] = await pair(
    t,
    { times: { decideMs: 0 }, ...(await holding(t, file)) },
    { artifacts: [file.artifact] },
  )
  await carriedBy(true, decider, follower)
  t.ok(isSameStream(decider, follower))
  await fetched(t, follower, file, () => {})
})

test('lines: a line is killed in the middle of a transfer → the rest comes over the connection', MINUTE, async (t) => {
  for (const [killer, fetcher] of [
    [0, 1],
    [1, 0],
    [0, 0],
    [1, 1],
  ] as const) {
    const file = fixture(4_000_000, 4)
    const options = { times: { retryMs: NEVER_MS }, ...(await holding(t, file)) }
    const ends = await pair(t, options, options)
    await carriedBy(true, ...ends)
    const line = ends[killer].carriers.at(-1)?.stream
    await fetched(t, ends[fetcher], file, (byteLength) => {
      if (byteLength >= 3 * PIECE_BYTES) line?.destroy()
    })
    t.alike(
      ends.map(({ carriers }) => carriers.map(({ tcp }) => tcp)),
      [
        [true, false],
        [true, false],
      ],
    )
  }
})

test('lines: a line is killed again and again → a new one each time, and both agree', MINUTE, async (t) => {
  const options = { times: { retryMs: 20 } }
  const ends = await pair(t, options, options)
  for (let round = 0; round < 3; round++) {
    await carriedBy(true, ...ends)
    await until(() => isSameStream(...ends))
    const killed = ends[round % 2]?.carriers.at(-1)?.stream
    killed?.destroy()
    await until(() => ends.every(({ carriers }) => carriers.at(-1)?.stream !== killed && carriers.at(-1)?.tcp === true))
  }
  await until(() => isSameStream(...ends))
  t.alike(
    ends.flatMap(({ refusals }) => refusals.map(({ code }) => code)),
    [],
  )
})

test('lines: the connection closes → the line does, too', MINUTE, async (t) => {
  const [decider, follower] = await pair(t, {}, {})
  await carriedBy(true, decider, follower)
  const streams = [decider, follower].map(({ carriers }) => carriers.at(-1)?.stream as NoiseSecretStream)
  await follower.swarm.destroy()
  await Promise.all(streams.map(closed))
  t.alike([decider.lines.tcpCount, follower.lines.tcpCount], [0, 0])
})

test('lines: a peer that does not speak the protocol → the connection carries everything', MINUTE, async (t) => {
  const bootstrap = await dhtOnLoopback(t)
  const end = await lineEnd(t, bootstrap, { times: { decideMs: NEVER_MS } })
  const other = openSwarm({ bootstrap: [bootstrap], onConnection: () => undefined })
  t.teardown(() => other.destroy())
  await joinAll(end, { swarm: other })
  await until(() => end.carriers.length > 0)
  t.alike(end.carriers.map(({ tcp }) => tcp)[0], false)
})
