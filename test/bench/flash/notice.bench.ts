/**
 * How soon followers hear of a new release: while nothing else is on the links, and while the release before it fills them.
 *
 *   node --import tsx test/bench/flash/notice.bench.ts [--row 24] [--notices 5]
 *
 * Node 0 publishes, all others follow. The time is from the moment at which the publisher has the new head on disk to the one at which the
 * last follower has verified it; both clocks are this machine's. Links, namespaces and what is needed: README.md.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { buildDeb } from '../../../tools/demo/build-deb.ts'
import { bench, median } from '../bench.ts'
import { buildFiles } from './files.ts'
import { FreshetCrowd, freshetJustStarted, publish } from './freshet.ts'
import { inPairs, SPARE } from './measure.ts'
import { allowCubic, compileSwitch, Network } from './network.ts'
import { nodesOf, type Row, ROWS } from './rows.ts'

const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
/** The links are taken to be full when each follower has received this share of the files. */
const FULL_SHARE = 0.1
const LOOK_MS = 20

interface Choice {
  readonly row: Row
  readonly notices: number
}

/** @throws Error with a sentence about the first argument that is not understood. */
function parse(args: readonly string[]): Choice {
  const given = new Map<string, string>()
  for (let i = 0; i < args.length; i += 2) given.set(args[i] ?? '', args[i + 1] ?? '')
  const { '--row': name = '24', '--notices': count = '5', ...rest } = Object.fromEntries(given)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new Error(`${unknown}: no such option (--row NAME, --notices N)`)
  const row = ROWS.find((one) => one.name === name)
  if (row === undefined) throw new Error(`${name}: no such row`)
  if (!/^[1-9]\d?$/.test(count)) throw new Error(`${count}: no number of notices`)
  return { row, notices: Number(count) }
}

interface Stage {
  readonly row: Row
  readonly crowd: FreshetCrowd
  readonly network: Network
  /** The folder that the publisher publishes. */
  readonly debs: string
}

/** Publishes one package more. @returns for each follower, milliseconds after the publisher had it. */
async function notice({ row, crowd, debs }: Stage, number: number): Promise<number[]> {
  await buildDeb(debs, { name: `notice-${number}`, version: '1.0', architecture: 'all' })
  const followers = nodesOf(row).crowd
  const heard = Promise.all([0, ...followers].map((node) => crowd.head(node)))
  await crowd.publish(debs)
  const [made, ...others] = await heard
  if (made === undefined || others.some(({ length }) => length !== made.length)) throw new Error('not of one head')
  await Promise.all(followers.map((node) => crowd.served(node)))
  return others.map(({ atMs }) => atMs - made.atMs)
}

/** Resolves when every follower has received a share of `byteLength`. */
async function filled({ row, network }: Stage, byteLength: number): Promise<void> {
  const before = await network.counters()
  const isFull = async (): Promise<boolean> => {
    const now = await network.counters()
    return nodesOf(row).crowd.every((node) => (now[node]?.received ?? 0) - (before[node]?.received ?? 0) > byteLength)
  }
  while (!(await isFull())) await pause(LOOK_MS)
}

const worst = (all: readonly (readonly number[])[]): number[] => all.map((times) => Math.max(...times))

const { row, notices } = parse(process.argv.slice(2))
const missing = process.getuid?.() === 0 ? freshetJustStarted.missing() : 'needs root, for network namespaces'
await bench(`notice: ${row.receivers.length} followers, links of row ${row.name}`, missing, async (b) => {
  const folder = mkdtempSync(join(SCRATCH, `freshet-flash-${process.pid}-`))
  b.after(async () => rmSync(folder, { recursive: true, force: true }))
  const disallow = allowCubic()
  b.after(async () => disallow())
  const files = await buildFiles(join(folder, 'content'), row.content)
  const published = await publish(files, folder, false)
  const { all, crowd: followers } = nodesOf(row)
  const conditions = { links: [...all, SPARE], delayMs: row.delayMs, loss: row.loss, seed: 1 }
  const network = await Network.start(compileSwitch(folder), conditions)
  b.after(() => network.close())
  const place = join(folder, 'run')
  await mkdir(place)
  const crowd = new FreshetCrowd(published, network, place)
  b.after(() => crowd.stop())
  await crowd.startOrigin()
  await inPairs(followers, (node) => crowd.startReceiver(node))
  const stage = { row, crowd, network, debs: join(folder, 'debs') }

  const idle: number[][] = []
  for (let i = 0; i < notices; i++) idle.push(await notice(stage, i))
  b.figure('idle: the median follower', idle.map(median), 'ms')
  b.figure('idle: the last follower', worst(idle), 'ms', 'at most 120 ms')

  for (const node of followers) crowd.begin(node)
  await filled(stage, files.byteLength * FULL_SHARE)
  const full = [await notice(stage, notices)]
  b.figure('while files fill the links: the median follower', full.map(median), 'ms')
  b.figure('while files fill the links: the last follower', worst(full), 'ms', 'at most 250 ms')
  await Promise.all(followers.map((node) => crowd.done(node)))
})
