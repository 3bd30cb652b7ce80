/** One artifact of 80 to 95 MB from node to node: between two daemons; between two exchanges in one process, over TCP and in memory. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openExchangeLine } from '../../protocols/exchange-line.ts'
import { type BundleLog, Exchanges } from '../../protocols/exchanges.ts'
import type { FetchOptions } from '../../protocols/file-fetch.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import { guardConnection } from '../../protocols/guard.ts'
import { RateLimit } from '../../protocols/rate-limit.ts'
import { keyHex } from '../../schemas/units.ts'
import { Pool } from '../../store/pool.ts'
import { memoryPair, type StreamPair, tcpPair } from '../helpers/connections.ts'
import { fixture } from '../helpers/pool-fixtures.ts'
import { type Bench, bench, mega } from './bench.ts'
import { type CachedDeb, cachedDebs, missingLists, readIndex } from './debian.ts'
import { startPair } from './pair.ts'
import type { Daemon } from './product.ts'

const RUNS = 3
const BYTES_MIN = 60_000_000
const BYTES_MAX = 100_000_000
const SYNTHETIC_BYTES = 88_000_000
const FETCH: FetchOptions = {
  signal: new AbortController().signal,
  patienceMs: 10_000,
  tally: new FetchTally(Date.now),
  onLook: () => {},
  onUseful: () => {},
}

const debs =
  missingLists() === null
    ? cachedDebs(await readIndex())
        .filter(isLarge)
        .slice(-RUNS)
    : []
await bench('pieces: one large artifact from node to node', null, async (b) => {
  if (debs.length > 0) await overUdx(b)
  else b.text('between two daemons', 'skipped: apt’s cache has no .deb of that size')
  await overStream(b, 'TCP, both ends in one process', tcpPair)
  await overStream(b, 'in memory, both ends in one process', memoryPair)
})

function isLarge({ byteLength }: CachedDeb): boolean {
  return byteLength >= BYTES_MIN && byteLength <= BYTES_MAX
}

interface Transfer {
  readonly bytes: number
  readonly seconds: number
  readonly senderCpuS: number
  readonly receiverCpuS: number
  readonly receivedBytes: number
}

/** `freshet fetch` on the follower: pieces, their hashes, and the file on disk, synced. */
async function overUdx(b: Bench): Promise<void> {
  const nodes = await startPair(b)
  const { publisher, follower } = nodes
  const directory = await b.folder()
  for (const [i, { path }] of debs.entries()) await copyFile(path, join(directory, `${i}.deb`))
  await publisher.call('import', { channel: 'debian', source: { kind: 'deb-dir', directory } })
  await follower.announced(1)
  const runs: Transfer[] = []
  for (const deb of debs) runs.push(await fetchOver(publisher, follower, deb))
  report(b, 'between two daemons', runs)
  const gigabytes = (run: Transfer): number => run.bytes / 1e9
  b.figure(
    '— CPU of the sender',
    runs.map((run) => run.senderCpuS / gigabytes(run)),
    's per GB',
  )
  b.figure(
    '— CPU of the receiver',
    runs.map((run) => run.receiverCpuS / gigabytes(run)),
    's per GB',
  )
  b.figure(
    '— bytes on the wire / bytes of the artifact',
    runs.map((run) => run.receivedBytes / run.bytes),
    'x',
  )
}

async function fetchOver(publisher: Daemon, follower: Daemon, deb: CachedDeb): Promise<Transfer> {
  const before = [await publisher.usage(), await follower.usage()] as const
  const startedAtMs = performance.now()
  await follower.call('fetch', { channel: 'debian', packages: [`${deb.name}=${deb.version}`] })
  const seconds = (performance.now() - startedAtMs) / 1000
  const after = [await publisher.usage(), await follower.usage()] as const
  const cpu = (side: 0 | 1): number =>
    (after[side].userMs + after[side].systemMs - before[side].userMs - before[side].systemMs) / 1000
  return {
    bytes: deb.byteLength,
    seconds,
    senderCpuS: cpu(0),
    receiverCpuS: cpu(1),
    receivedBytes: after[1].wire.received - before[1].wire.received,
  }
}

async function overStream(b: Bench, what: string, connect: () => Promise<StreamPair>): Promise<void> {
  const runs: Transfer[] = []
  const file = fixture(SYNTHETIC_BYTES, 1)
  const source = await Pool.open(await b.folder())
  const partial = await source.begin(file.artifact)
  await partial.acceptLayer(file.layer)
  for (let piece = 0; piece < partial.pieces; piece++) await partial.write(piece, file.piece(piece))
  await partial.complete()
  const log: BundleLog = {
    discoveryKey: Buffer.alloc(32),
    isOrigin: false,
    describe: async ({ part }) => (part === 0 ? [file.artifact] : null),
  }
  for (let run = 0; run < RUNS; run++) {
    const target = await Pool.open(await b.folder())
    const [near, far] = await connect()
    const [taker, giver] = [exchangesOf(near, target, log), exchangesOf(far, source, log)]
    const sink = await target.begin(file.artifact)
    const cpuBefore = process.cpuUsage()
    const startedAtMs = performance.now()
    await taker.fetch(log, 0, sink, FETCH, () => {})
    const seconds = (performance.now() - startedAtMs) / 1000
    const { user, system } = process.cpuUsage(cpuBefore)
    runs.push({ bytes: SYNTHETIC_BYTES, seconds, senderCpuS: 0, receiverCpuS: (user + system) / 1e6, receivedBytes: 0 })
    for (const exchanges of [taker, giver]) exchanges.close()
    for (const stream of [near, far]) stream.destroy()
    await sink.close()
    await target.close()
  }
  await source.close()
  report(b, what, runs)
  const cpu = runs.map((run) => run.receiverCpuS / (run.bytes / 1e9))
  b.figure('— CPU of both', cpu, 's per GB')
}

function exchangesOf(stream: StreamPair[number], source: Pool, log: BundleLog): Exchanges {
  const [upload, download] = [new RateLimit(null), new RateLimit(null)]
  const onFault = (error: Error): void => console.error(error)
  const exchanges = new Exchanges({ log: () => log, source, upload, download, onFault })
  const line = openExchangeLine(guardConnection(stream), exchanges, {
    id: exchanges.newLine(),
    key: keyHex(stream.remotePublicKey as Buffer),
    source: { kind: 'peer', name: 'peer' },
    mayReceive: () => true,
    onSent: () => {},
    onCame: () => {},
    onBlame: onFault,
    onClose: () => {},
  })
  if (line === null) throw new Error('the channel is open already')
  exchanges.add(line)
  return exchanges
}

function report(b: Bench, what: string, runs: readonly Transfer[]): void {
  const sizes = runs.map(({ bytes }) => mega(bytes).toFixed(0)).join(', ')
  b.figure(
    `${what}, ${sizes} MB`,
    runs.map(({ bytes, seconds }) => mega(bytes) / seconds),
    'MB/s',
  )
}
