/** From publisher to follower over a DHT on loopback: a first release of 63,000 packages, then one that changes 200 stanzas. */
import { get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, bench, mega } from './bench.ts'
import { INDEX, missingLists, readIndex, SUITE } from './debian.ts'
import { ADDED, REMOVED, UPGRADED, writeNextRelease } from './next-release.ts'
import { CHANNEL, importBookworm, type Pair, startPair } from './pair.ts'
import { Daemon } from './product.ts'

const PAIRS = 3
const SMALL_RELEASES = 3
/** After an announcement: what the follower still asks for comes within this time. */
const SETTLE_MS = 1000

interface Imported {
  readonly release: number
  readonly bytes: number
}

await bench('follow: publisher and follower over a DHT on loopback', missingLists(), async (b) => {
  const index = await readIndex()
  const first: FirstRelease[] = []
  const small: SmallRelease[] = []
  for (let pair = 0; pair < PAIRS; pair++) {
    const nodes = await startPair(b)
    first.push(await firstRelease(b, nodes))
    for (let generation = 1; generation <= SMALL_RELEASES; generation++) {
      small.push(await smallRelease(b, nodes, index, generation))
    }
    await b.close()
  }
  const of = <T>(items: readonly T[], pick: (item: T) => number): number[] => items.map(pick)
  b.figure(
    'first release: import acknowledged until the follower serves it',
    of(first, ({ pushedS }) => pushedS),
    's',
    'at most 5 s',
  )
  b.figure(
    'first release: until a new node that follows now serves it',
    of(first, ({ lateS }) => lateS),
    's',
    'at most 5 s',
  )
  b.figure(
    '— of it after it is connected',
    of(first, ({ lateConnectedS }) => lateConnectedS),
    's',
    'at most 5 s',
  )
  b.figure(
    'first release: received by the follower',
    of(first, ({ receivedMB }) => receivedMB),
    'MB',
  )
  b.figure(
    'first release: peak memory of the follower',
    of(first, ({ peakMB }) => peakMB),
    'MB',
  )
  const changed = `${UPGRADED} upgraded, ${ADDED} added, ${REMOVED} removed`
  b.figure(
    `${changed}: in the log`,
    of(small, ({ logKB }) => logKB),
    'kB',
  )
  b.figure(
    '— received by the follower',
    of(small, ({ receivedKB }) => receivedKB),
    'kB',
    'at most 200 kB',
  )
  b.figure(
    '— sent by the follower',
    of(small, ({ sentKB }) => sentKB),
    'kB',
  )
  b.figure(
    '— received by an idle follower in the same time',
    of(small, ({ idleKB }) => idleKB),
    'kB',
  )
  b.figure(
    '— import acknowledged until the follower announces it',
    of(small, ({ announcedS }) => announcedS),
    's',
    'at most 1 s',
  )
  b.figure(
    '— the publisher announces it until the follower does',
    of(small, ({ behindS }) => behindS),
    's',
    'at most 1 s',
  )
  b.figure(
    '— the import itself',
    of(small, ({ importS }) => importS),
    's',
  )
  b.figure(
    '— signed Release file (with its signature)',
    of(small, ({ inReleaseKB }) => inReleaseKB),
    'kB',
  )
})

interface FirstRelease {
  readonly pushedS: number
  readonly lateS: number
  readonly lateConnectedS: number
  readonly receivedMB: number
  readonly peakMB: number
}

async function firstRelease(b: Bench, nodes: Pair): Promise<FirstRelease> {
  const { publisher, follower, bootstrap, id } = nodes
  const before = await follower.usage()
  await importBookworm({ publisher })
  const acknowledgedAtMs = performance.now()
  const { atMs } = await follower.announced(1)
  await requireServed(follower, 1)
  const after = await follower.usage()
  const late = await Daemon.start(b, bootstrap)
  const startedAtMs = performance.now()
  await late.call('follow', { id })
  await late.connected()
  const connectedAtMs = performance.now()
  const lateAnnounced = await late.announced(1)
  await requireServed(late, 1)
  await late.stop()
  return {
    pushedS: (atMs - acknowledgedAtMs) / 1000,
    lateS: (lateAnnounced.atMs - startedAtMs) / 1000,
    lateConnectedS: (lateAnnounced.atMs - connectedAtMs) / 1000,
    receivedMB: mega(after.wire.received - before.wire.received),
    peakMB: mega(after.peakBytes),
  }
}

interface SmallRelease {
  readonly logKB: number
  readonly receivedKB: number
  readonly sentKB: number
  readonly idleKB: number
  readonly announcedS: number
  readonly behindS: number
  readonly importS: number
  readonly inReleaseKB: number
}

async function smallRelease(b: Bench, nodes: Pair, index: Buffer, generation: number): Promise<SmallRelease> {
  const { publisher, follower } = nodes
  const next = await writeNextRelease(await b.folder(), index, generation)
  const source = {
    kind: 'apt-repo',
    location: next.directory,
    suite: SUITE,
    components: ['main'],
    architectures: ['amd64'],
    keyrings: [next.keyring],
    metadataOnly: true,
  }
  const before = await follower.usage()
  const startedAtMs = performance.now()
  const { release, bytes } = await publisher.call<Imported>('import', { channel: CHANNEL, source })
  const acknowledgedAtMs = performance.now()
  const announced = await follower.announced(release)
  const published = await publisher.announced(release)
  await pause(SETTLE_MS)
  const elapsedMs = performance.now() - startedAtMs
  const after = await follower.usage()
  await pause(elapsedMs)
  const idle = await follower.usage()
  const { upgraded, added, removed } = announced.counts
  if (upgraded !== UPGRADED && generation === 1)
    throw new Error(`the release changed ${JSON.stringify(announced.counts)}`)
  if (added + removed + upgraded === 0) throw new Error('the release changed nothing')
  await requireServed(follower, release)
  return {
    logKB: bytes / 1000,
    receivedKB: (after.wire.received - before.wire.received) / 1000,
    sentKB: (after.wire.sent - before.wire.sent) / 1000,
    idleKB: (idle.wire.received - after.wire.received) / 1000,
    announcedS: (announced.atMs - acknowledgedAtMs) / 1000,
    behindS: (announced.atMs - published.atMs) / 1000,
    importS: (acknowledgedAtMs - startedAtMs) / 1000,
    inReleaseKB: next.inReleaseBytes / 1000,
  }
}

/** What apt-get update would ask for is answered whole. */
async function requireServed(node: Daemon, release: number): Promise<void> {
  for (const path of ['InRelease', INDEX]) {
    const status = await statusOf(`${node.gateway}/${CHANNEL}/dists/${SUITE}/${path}`)
    if (status !== 200) throw new Error(`release ${release} is announced, and ${path} is answered with ${status}`)
  }
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    request.once('error', reject)
  })
}
