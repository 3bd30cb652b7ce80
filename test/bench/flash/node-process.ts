/** A process on a node of the network: what it says, what it used, and its end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LineQueue } from './line-queue.ts'
import type { Network } from './network.ts'

const TICKS_PER_S = 100 // USER_HZ, the same on every Linux of our day
const KIB = 1024

export interface Usage {
  /** User and system, with children that have ended. */
  readonly cpuS: number
  readonly peakBytes: number
}

export interface ProcessPlace {
  readonly network: Network
  readonly node: number
  /** What it says on standard error goes to a file here. */
  readonly folder: string
}

export class NodeProcess {
  readonly lines: LineQueue
  readonly #child: ChildProcess

  /** Lines are read from standard output, or from descriptor 3 where the program has other uses for that. */
  constructor({ network, node, folder }: ProcessPlace, command: readonly string[], linesFrom: 1 | 3 = 1) {
    const [program = '', ...args] = [...network.enter(node), ...command]
    const log = openSync(join(folder, `node-${node}.log`), 'a')
    const output = linesFrom === 1 ? 'pipe' : log
    this.#child = spawn(program, args, {
      cwd: import.meta.dirname,
      stdio: ['pipe', output, log, linesFrom === 3 ? 'pipe' : 'ignore'],
    })
    closeSync(log)
    this.lines = new LineQueue(`${command[0]} of node ${node}`)
    const input = this.#child.stdio[linesFrom] as NodeJS.ReadableStream
    createInterface({ input }).on('line', (line) => this.lines.push(line))
    this.#child.once('error', () => this.lines.end())
    this.#child.once('close', () => this.lines.end())
    this.#child.stdin?.on('error', () => undefined) // it has ended: whoever waits for a line is told
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** @throws when it has ended. */
  usage(): Usage {
    return usageOf(this.#child.pid ?? 0)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.lines.ended
  }
}

/** As the kernel counts: proc(5). @throws when there is no such process. */
export function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return { cpuS: ticks / TICKS_PER_S, peakBytes: Number(peak?.[1] ?? 0) * KIB }
}
