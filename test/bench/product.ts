/** The compiled product as processes of its own: one command at a time, or a daemon that is asked through its control socket. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Notification } from '../../actors/notifier.ts'
import type { NodeStatus } from '../../actors/status.ts'
import { connectControl, type ControlClient } from '../../protocols/control-client.ts'
import { controlPath } from '../../protocols/control-path.ts'
import type { OperationName } from '../../tools/operations.ts'
import type { Bench } from './bench.ts'

const CLI = join(import.meta.dirname, '../../dist/tools/cli.js')
const PROBE = new URL('probe.js', import.meta.url).href
const LOOK_AGAIN_MS = 5
const WAIT_MS_MAX = 120_000

export interface Usage {
  readonly peakBytes: number
  readonly userMs: number
  readonly systemMs: number
  readonly wire: { readonly received: number; readonly sent: number }
}

export interface CommandRun {
  readonly elapsedMs: number
  readonly usage: Usage
  readonly result: Record<string, unknown>
}

/** One command of the compiled command line with --json. @throws when it fails. */
export async function runFreshet(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandRun> {
  const startedAtMs = performance.now()
  const child = start(args, env)
  const [stdout, stderr, reports] = [gather(child, 1), gather(child, 2), gather(child, 3)]
  const exitCode = await ended(child)
  const elapsedMs = performance.now() - startedAtMs
  if (exitCode !== 0) throw new Error(`freshet ${args.join(' ')} ended with ${exitCode}: ${stderr()}`)
  const usage = JSON.parse(reports().trim().split('\n').at(-1) ?? '') as Usage
  return { elapsedMs, usage, result: JSON.parse(stdout()) as Record<string, unknown> }
}

export interface Announced extends Notification {
  /** When its line arrived here, on the clock of performance.now(). */
  readonly atMs: number
}

export class Daemon {
  readonly home: string
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  readonly #announced: Announced[] = []
  readonly #usages: ((usage: Usage) => void)[] = []
  #gateway: string | null = null
  #client: ControlClient | null = null

  private constructor(home: string, bootstrap: string) {
    this.home = home
    const args = ['start', '--home', home, '--gateway', '127.0.0.1:0', '--bootstrap', bootstrap]
    this.#child = start(args, { FRESHET_BENCH_WIRE: '1' })
    this.#ended = ended(this.#child)
    this.#child.stdio[2]?.on('data', (text: Buffer) => process.stderr.write(text))
    lines(this.#child, 1, (line) => this.#said(JSON.parse(line) as { gateway?: string } & Notification))
    lines(this.#child, 3, (line) => this.#usages.shift()?.(JSON.parse(line) as Usage))
  }

  /** Ends with the benchmark. */
  static async start(b: Bench, bootstrap: string): Promise<Daemon> {
    const daemon = new Daemon(await b.folder(), bootstrap)
    b.after(() => daemon.stop())
    await daemon.until('the daemon is up', () => daemon.#gateway !== null)
    daemon.#client = await connectControl(controlPath(daemon.home))
    return daemon
  }

  get gateway(): string {
    return this.#gateway ?? ''
  }

  async call<Result>(operation: OperationName, args: object = {}): Promise<Result> {
    if (this.#client === null) throw new Error(`no daemon answers in ${this.home}`)
    return (await this.#client.call(operation, args)) as Result
  }

  /** Resolves when release `number` was announced here. */
  async announced(number: number): Promise<Announced> {
    const find = (): Announced | undefined => this.#announced.find(({ release }) => release === number)
    await this.until(`release ${number} is announced`, () => find() !== undefined)
    return find() as Announced
  }

  async connected(): Promise<void> {
    await this.until('there is a peer', async () => (await this.call<NodeStatus>('status')).peers > 0)
  }

  usage(): Promise<Usage> {
    return new Promise((resolve) => {
      this.#usages.push(resolve)
      this.#child.kill('SIGUSR2')
    })
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineAtMs = performance.now() + WAIT_MS_MAX
    while (!(await holds())) {
      if (this.#child.exitCode !== null) throw new Error(`the daemon of ${this.home} ended`)
      if (performance.now() > deadlineAtMs) throw new Error(`waited in vain until ${what}`)
      await pause(LOOK_AGAIN_MS)
    }
  }

  async stop(): Promise<void> {
    await this.#client?.close()
    this.#child.kill('SIGTERM')
    await this.#ended
  }

  #said(line: { gateway?: string } & Notification): void {
    if (line.gateway !== undefined) this.#gateway = line.gateway
    else if (line.event === 'release') this.#announced.push({ ...line, atMs: performance.now() })
  }
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  if (!existsSync(CLI)) throw new Error('dist/ is not there: npm run build')
  return spawn(process.execPath, ['--import', PROBE, CLI, ...args, '--json'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
}

function gather(child: ChildProcess, descriptor: 1 | 2 | 3): () => string {
  let text = ''
  child.stdio[descriptor]?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return () => text
}

function lines(child: ChildProcess, descriptor: 1 | 3, each: (line: string) => void): void {
  const input = child.stdio[descriptor] as NodeJS.ReadableStream | null
  if (input !== null) createInterface({ input }).on('line', each)
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
}
