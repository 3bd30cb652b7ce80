/** One crowd from start to end: everything is brought up, the signal given, and what it took is written down. */
import { mkdir } from 'node:fs/promises'
import { cpus } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Crowd, Prepared } from './engine.ts'
import type { FileSet } from './files.ts'
import { type Counters, Network } from './network.ts'
import { usageOf } from './node-process.ts'
import { type Link, nodesOf, type Row } from './rows.ts'
import type { Measured } from './statistics.ts'

const SPARE: Link = { up: 0, down: 0 }
/** A plain server takes as many times the bound as there are receivers. Who takes twice that has failed. */
const TIMES_SERVED_MAX = 2
const PATIENCE_S = 60
/** How often is looked whether a node that shall be killed has received half. */
const LOOK_MS = 50

export interface Setting {
  readonly row: Row
  readonly files: FileSet
  readonly boundS: number
  readonly switchBinary: string
  /** Empty, for this run alone. */
  readonly folder: string
  readonly seed: number
}

/** @throws when somebody who was not killed did not get everything. */
export async function measure(
  prepared: Prepared,
  { row, files, boundS, switchBinary, folder, seed }: Setting,
): Promise<Measured> {
  const { all, crowd, late, killed } = nodesOf(row)
  const conditions = { links: [...all, SPARE], delayMs: row.delayMs, loss: row.loss, seed }
  const network = await Network.start(switchBinary, conditions)
  await mkdir(folder)
  const engine = prepared.enter(network, folder)
  try {
    await engine.startOrigin()
    await inPairs([...crowd, ...late], (node) => engine.startReceiver(node))
    await engine.practise?.([...crowd, ...late])
    const before = await network.counters()
    const meter = new CpuMeter(engine, network, all.length)
    const deadline = AbortSignal.timeout(Math.ceil((boundS * crowd.length * TIMES_SERVED_MAX + PATIENCE_S) * 1000))
    const ends = begin(engine, crowd)
    const killing = killed.map((node) => killAtHalf(engine, network, before, node, files.byteLength, meter, deadline))
    await Promise.all(killing)
    const lasting = ends.slice(0, ends.length - killed.length) // the last ones were killed
    const finishS = await orFail(Promise.all(lasting), deadline)
    const used = meter.read()
    const after = await network.counters()
    const lateS = late.length === 0 ? [] : await orFail(measureLate(engine, late), deadline)
    return { byteLength: files.byteLength, finishS, lateS, ...used, ...traffic(before, after, all.length) }
  } finally {
    await engine.stop()
    await network.close()
  }
}

/** @throws when the deadline passes first. */
async function orFail<T>(work: Promise<T>, deadline: AbortSignal): Promise<T> {
  const passed = new Promise<never>((_, reject) => {
    deadline.addEventListener('abort', () => reject(new Error('took far too long')), { once: true })
  })
  return await Promise.race([work, passed])
}

/** @returns for each node in order, the seconds it took. */
function begin(engine: Crowd, nodes: readonly number[]): Promise<number>[] {
  const startedAtMs = performance.now()
  for (const node of nodes) engine.begin(node)
  const took = async (node: number): Promise<number> => {
    await engine.done(node)
    return (performance.now() - startedAtMs) / 1000
  }
  return nodes.map((node) => {
    const end = took(node)
    end.catch(() => undefined) // one that is killed does not end; whoever waits for the others is told
    return end
  })
}

async function killAtHalf(
  engine: Crowd,
  network: Network,
  before: readonly Counters[],
  node: number,
  byteLength: number,
  meter: CpuMeter,
  deadline: AbortSignal,
): Promise<void> {
  const received = async (): Promise<number> =>
    ((await network.counters())[node]?.received ?? 0) - (before[node]?.received ?? 0)
  while ((await received()) < byteLength / 2) await pause(LOOK_MS, undefined, { signal: deadline })
  meter.leaves(node)
  await engine.kill(node)
}

async function measureLate(engine: Crowd, late: readonly number[]): Promise<number[]> {
  await engine.kill(0)
  return await Promise.all(begin(engine, late))
}

/** Nodes are brought up two at a time: all at once is too much for a small machine. */
async function inPairs(nodes: readonly number[], work: (node: number) => Promise<void>): Promise<void> {
  const rest = [...nodes]
  const worker = async (): Promise<void> => {
    for (let node = rest.shift(); node !== undefined; node = rest.shift()) await work(node)
  }
  await Promise.all([worker(), worker()])
}

/** Seconds of all cores together, whoever uses them. Source: proc(5). */
function machineTime(): { idleS: number; allS: number } {
  const times = cpus().map((cpu) => cpu.times)
  const idleS = times.reduce((sum, { idle }) => sum + idle, 0) / 1000
  return {
    idleS,
    allS: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0) / 1000 + idleS,
  }
}

/** CPU of the engine's processes, of the switch, and what the machine had left, since the signal. */
class CpuMeter {
  readonly #engine: Crowd
  readonly #network: Network
  readonly #nodes: number
  readonly #before: readonly number[]
  readonly #switchBefore: number
  readonly #machineBefore = machineTime()
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

  read(): Pick<Measured, 'cpuS' | 'switchCpuS' | 'peakBytes' | 'idleShare'> {
    const after = Array.from({ length: this.#nodes }, (_, node) => this.#left.get(node) ?? this.#cpuS(node))
    const cpuS = after.reduce((sum, now, node) => sum + now - (this.#before[node] ?? 0), 0)
    const switchCpuS = usageOf(this.#network.switchPid).cpuS - this.#switchBefore
    const { idleS, allS } = machineTime()
    const idleShare = (idleS - this.#machineBefore.idleS) / (allS - this.#machineBefore.allS)
    return { cpuS, switchCpuS, idleShare, peakBytes: this.#peakBytes }
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
