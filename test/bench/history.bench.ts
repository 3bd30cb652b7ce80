/**
 * A history of 1,000 releases over bookworm main: what one more release costs, what any old one costs to rebuild, and look-ups,
 * as the history grows. FRESHET_BENCH_RELEASES=100 makes it shorter, FRESHET_BENCH_HOME=DIR keeps it for other uses.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Node, startNode } from '../../actors/node.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import type { SnapshotIndex } from '../../store/snapshot.ts'
import { type Bench, bench, mega } from './bench.ts'
import { INDEX, missingLists } from './debian.ts'
import { LongHistory } from './long-history.ts'

const RELEASES = Number(process.env['FRESHET_BENCH_RELEASES'] ?? 1000)
const MARKS = [10, 100, 1000].filter((mark) => mark <= RELEASES)
/** The newest appends whose times count for a mark. */
const APPENDS = 9
const REBUILDS = 7
const LOOK_UPS = 50
const VERDICT_ROUNDS = 3
const VERDICT_APPENDS = 4

await bench(`history: ${RELEASES} releases of bookworm main`, missingLists(), async (b) => {
  const home = process.env['FRESHET_BENCH_HOME'] ?? (await b.folder())
  const history = await LongHistory.open()
  let node = await open(home)
  await node.createChannel('debian', { publicKey: Buffer.from(history.publicKey), privateKey: 'not used' })
  const digests: string[] = []
  const appendMs: number[] = []
  let names: string[] = []
  for (let number = 1; number <= RELEASES; number++) {
    const draft = await history.next()
    const bytes = (draft.indexes[0] as { bytes: Buffer }).bytes
    digests.push(createHash('sha256').update(bytes).digest('hex'))
    const startedAtMs = performance.now()
    await node.publish('debian', draft)
    appendMs.push(performance.now() - startedAtMs)
    if (!MARKS.includes(number)) continue
    names = []
    scanPackages(bytes, INDEX, (_, { name }) => names.push(name))
    await sizes(b, node, number)
    b.figure(`${number} releases: append one more`, appendMs.slice(-APPENDS), 'ms', 'at most 1,000')
    await node.close()
    node = await measured(b, home, number, digests, names)
  }
  b.figure('all appends but the first', appendMs.slice(1), 'ms', 'at most 1,000')
  await verdicts(b, node, history)
  await node.close()
  if (process.env['FRESHET_BENCH_HOME'] !== undefined) {
    await writeFile(join(home, 'bench-keyring.asc'), history.publicKey)
  }
})

/** What it costs that a release says which of its packages cannot be installed: appends with and without, in turn. */
async function verdicts(b: Bench, node: Node, history: LongHistory): Promise<void> {
  const times: Record<'on' | 'off', number[]> = { on: [], off: [] }
  for (let round = 0; round < VERDICT_ROUNDS; round++) {
    for (const setting of ['off', 'on'] as const) {
      await node.config.set('verdicts', setting)
      for (let run = 0; run <= VERDICT_APPENDS; run++) {
        const draft = await history.next()
        const startedAtMs = performance.now()
        await node.publish('debian', draft)
        // The first one after a pause also has to catch up with the releases that were not looked at.
        if (run > 0) times[setting].push(performance.now() - startedAtMs)
      }
    }
  }
  b.figure('append without verdicts', times.off, 'ms')
  b.figure('— with them', times.on, 'ms', 'at most 1,000')
  b.figure(
    '— ratio',
    times.on.map((ms, i) => ms / (times.off[i] as number)),
    'x',
  )
}

function open(home: string): Promise<Node> {
  return startNode({ home, network: null })
}

async function sizes(b: Bench, { session }: Node, number: number): Promise<void> {
  const { core } = session.channel('debian').log
  const index = session.store.cores.get({ name: 'channel/debian/index' })
  await index.ready()
  b.text(
    `${number} releases: log / index`,
    `${mega(core.byteLength).toFixed(1)} / ${mega(index.byteLength).toFixed(1)} MB`,
  )
}

/** Each with a node that was just started: nothing of the history is in memory, and no index file but the newest on disk. */
async function measured(
  b: Bench,
  home: string,
  releases: number,
  digests: readonly string[],
  names: readonly string[],
): Promise<Node> {
  const startMs: number[] = []
  const rebuildMs: number[] = []
  for (let run = 0; run < REBUILDS; run++) {
    const number = 1 + Math.floor((run * (releases - 1)) / REBUILDS)
    const file = join(home, 'indexes', digests[number - 1] as string)
    if (existsSync(file)) await rm(file)
    const startedAtMs = performance.now()
    const node = await open(home)
    startMs.push(performance.now() - startedAtMs)
    const askedAtMs = performance.now()
    const snapshot = await node.session.channel('debian').snapshot({ kind: 'number', number })
    rebuildMs.push(performance.now() - askedAtMs)
    const bytes = await readFile((snapshot.indexes[0] as SnapshotIndex).filePath)
    if (createHash('sha256').update(bytes).digest('hex') !== digests[number - 1]) throw new Error(`release ${number}`)
    await node.close()
  }
  b.figure(`${releases} releases: start of a node`, startMs, 'ms')
  b.figure(`${releases} releases: rebuild one of them, cold`, rebuildMs, 'ms', 'at most 1,500')
  const node = await open(home)
  const channel = node.session.channel('debian')
  const lookUpMs: number[] = []
  for (let run = 0; run < LOOK_UPS; run++) {
    const name = names[Math.floor((run * names.length) / LOOK_UPS)] as string
    const startedAtMs = performance.now()
    const { index } = await channel.index()
    const found = await index.versions(name)
    lookUpMs.push(performance.now() - startedAtMs)
    if (found.length === 0) throw new Error(`${name} is not in the index`)
  }
  b.figure(
    `${releases} releases: versions of one package, the first of a process`,
    lookUpMs.slice(0, 1),
    'ms',
    'at most 20',
  )
  b.figure(`${releases} releases: versions of one package`, lookUpMs.slice(1), 'ms', 'at most 20')
  return node
}
