/** One crowd from start to end: everything is brought up, the signal given, and what it took is written down. */
import { mkdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Crowd, Prepared } from './engine.ts'
import type { FileSet } from './files.ts'
import { type Counters, Network } from './network.ts'
import { usageOf } from './node-process.ts'
import { type Link, nodesOf, type Row } from './rows.ts'
import type { Measured } from './statistics.ts'

const SPARE: Link = { up: 0, down: 0 }
/** How often is looked whether a node that shall be killed has received half. */
const LOOK_MS = 50

export interface Setting {
  readonly row: Row
  readonly files: FileSet
  readonly switchBinary: string
  /** Empty, for this run alone. */
  readonly folder: string
  readonly seed: number
}

/** @throws when somebody who was not killed did not get everything. */
export async function measure(prepared: Prepared, { row, files, switchBinary, folder, seed }: Setting): Promise<Measured> {
  const { all, crowd, late, killed } = nodesOf(row)
  const conditions = { links: [...all, SPARE], delayMs: row.delayMs, loss: row.loss, seed }
  const network = await Network.start(switchBinary, conditions)
  await mkdir(folder)
  const engine = prepared.enter(network, folder)
  try {
    await engine.startOrigin()
    await inPairs([...crowd, ...late], (node) => engine.startReceiver(node))
    const before = await network.counters()
    const meter = new CpuMeter(engine, network, all.length)
    const ends = begin(engine, crowd)
    const killing = killed.map((node) => killAtHalf(engine, network, before, node, files.byteLength, meter))
    await Promise.all(killing)
    const lasting = crowd.filter((node) => !killed.includes(node))
    const finishS = await Promise.all(lasting.map((node) => ends.get(node) ?? Promise.reject(new Error('not begun'))))
    const used = meter.read()
    const after = await network.counters()
    const lateS = late.length === 0 ? [] : await measureLate(engine, late)
    return { byteLength: files.byteLength, finishS, lateS, ...used, ...traffic(before, after, all.length) }
  } finally {
    await engine.stop()
    await network.close()
  }
}

/** @returns for each node, the seconds it took. */
function begin(engine: Crowd, nodes: readonly number[]): Map<number, Promise<number>> {
  const startedAtMs = performance.now()
  for (const node of nodes) engine.begin(node)
  const took = async (node: number): Promise<number> => {
    await engine.done(node)
    return (performance.now() - startedAtMs) / 1000
  }
  const ends = new Map<number, Promise<number>>()
  for (const node of nodes) {
    const end = took(node)
    end.catch(() => undefined) // one that is killed does not end; whoever waits for the others is told
    ends.set(node, end)
  }
  return ends
}

async function killAtHalf(
  engine: Crowd,
  network: Network,
  before: readonly Counters[],
  node: number,
  byteLength: number,
  meter: CpuMeter,
): Promise<void> {
  const received = async (): Promise<number> =>
    ((await network.counters())[node]?.received ?? 0) - (before[node]?.received ?? 0)
  while ((await received()) < byteLength / 2) await pause(LOOK_MS)
  meter.leaves(node)
  await engine.kill(node)
}

async function measureLate(engine: Crowd, late: readonly number[]): Promise<number[]> {
  await engine.kill(0)
  return await Promise.all(begin(engine, late).values())
}

/** Nodes are brought up two at a time: all at once is too much for a small machine. */
async function inPairs(nodes: readonly number[], work: (node: number) => Promise<void>): Promise<void> {
  const rest = [...nodes]
  const worker = async (): Promise<void> => {
    for (let node = rest.shift(); node !== undefined; node = rest.shift()) await work(node)
  }
  await Promise.all([worker(), worker()])
}

/** CPU of the engine's processes, and of the switch, since the signal. */
class CpuMeter {
  readonly #engine: Crowd
  readonly #network: Network
  readonly #nodes: number
  readonly #before: readonly number[]
  readonly #switchBefore: number
  readonly #left = new Map<number, number>()
  #peakBytes = 0

  constructor(engine: Crowd, network: Network, nodes: number) {
    this.#engine = engine
    this.#network = network
    this.#nodes = nodes
    this.#before = Array.from({ length: nodes }, (_, node) => this.#cpuS(node))
    this.#switchBefore = usageOf(network.switchPid).cpuS
  }

  /** Asked a last time: it will be killed. */
  leaves(node: number): void {
    this.#left.set(node, this.#cpuS(node))
  }

  read(): { cpuS: number; switchCpuS: number; peakBytes: number } {
    const after = Array.from({ length: this.#nodes }, (_, node) => this.#left.get(node) ?? this.#cpuS(node))
    const cpuS = after.reduce((sum, now, node) => sum + now - (this.#before[node] ?? 0), 0)
    const switchCpuS = usageOf(this.#network.switchPid).cpuS - this.#switchBefore
    return { cpuS, switchCpuS, peakBytes: this.#peakBytes }
  }

  #cpuS(node: number): number {
    const usage = this.#engine.usage(node)
    this.#peakBytes = Math.max(this.#peakBytes, usage?.peakBytes ?? 0)
    return usage?.cpuS ?? 0
  }
}

function traffic(before: readonly Counters[], after: readonly Counters[], nodes: number) {
  const sent = Array.from({ length: nodes }, (_, node) => (after[node]?.sent ?? 0) - (before[node]?.sent ?? 0))
  const dropped = (counters: readonly Counters[]): number =>
    counters.slice(0, nodes).reduce((sum, { droppedUp, droppedDown, lost }) => sum + droppedUp + droppedDown + lost, 0)
  return { originSent: sent[0] ?? 0, peersSent: sent.slice(1), dropped: dropped(after) - dropped(before) }
}
