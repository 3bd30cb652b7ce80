/** The `freshet` executable as a process: run to its end, or watched while it runs. */
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Assert } from 'brittle'

const ROOT = join(import.meta.dirname, '../..')
const WAIT_MS_MAX = 60_000
/** What `npm test` has just compiled: it starts in a third of the time. A test that is run by itself takes the source. */
const CLI = process.env['FRESHET_BUILT'] === undefined ? ['--import', 'tsx', 'tools/cli.ts'] : ['dist/tools/cli.js']

export interface CommandEnd {
  /** Null: a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly elapsedMs: number
}

export class RunningCommand {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly ended: Promise<CommandEnd>
  stdout = ''
  stderr = ''
  #onOutput: () => void = () => {}

  /** @param where the beginning of a command line that runs the rest somewhere else. */
  constructor(args: readonly string[], where: readonly string[] = []) {
    const startedAtMs = performance.now()
    const [program = '', ...words] = [...where, process.execPath, ...CLI, ...args]
    this.child = spawn(program, words, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => ((this.stdout += text), this.#onOutput()))
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => ((this.stderr += text), this.#onOutput()))
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (exitCode) => {
        resolve({ exitCode, stdout: this.stdout, stderr: this.stderr, elapsedMs: performance.now() - startedAtMs })
        this.#onOutput()
      })
    })
  }

  /** The first whole line of standard output that `fits`. @throws when the process ends without one, or takes too long. */
  async line(fits: (line: string) => boolean = () => true): Promise<string> {
    return this.#lineOf(() => this.stdout, fits)
  }

  /** The first line of standard error that has `text` in it. @throws as `line`. */
  async log(text: string): Promise<string> {
    return this.#lineOf(
      () => this.stderr,
      (line) => line.includes(text),
    )
  }

  async #lineOf(output: () => string, fits: (line: string) => boolean): Promise<string> {
    const timeout = AbortSignal.timeout(WAIT_MS_MAX)
    for (;;) {
      const found = output().split('\n').slice(0, -1).find(fits)
      if (found !== undefined) return found
      if (this.child.exitCode !== null || this.child.signalCode !== null || timeout.aborted) {
        throw new Error(`no such line; standard output: ${this.stdout}; standard error: ${this.stderr}`)
      }
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve
        timeout.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** The first line of standard output as JSON. */
  async result<Result>(): Promise<Result> {
    return JSON.parse(await this.line()) as Result
  }

  async signal(signal: NodeJS.Signals): Promise<CommandEnd & { readonly tookMs: number }> {
    const sentAtMs = performance.now()
    this.child.kill(signal)
    const end = await this.ended
    return { ...end, tookMs: performance.now() - sentAtMs }
  }
}

/** Killed with the test when it has not ended by then. */
export function startCommand(t: Assert, ...args: string[]): RunningCommand {
  return startCommandIn(t, [], ...args)
}

/** In the namespace that `where` enters. */
export function startCommandIn(t: Assert, where: readonly string[], ...args: string[]): RunningCommand {
  const command = new RunningCommand(args, where)
  t.teardown(() => command.signal('SIGKILL'), { order: -1 })
  return command
}

export async function runCommand(...args: string[]): Promise<CommandEnd> {
  const command = new RunningCommand(args)
  const timer = setTimeout(() => command.child.kill('SIGKILL'), WAIT_MS_MAX)
  try {
    return await command.ended
  } finally {
    clearTimeout(timer)
  }
}

/** The result of a command that must succeed. */
export async function jsonOf<Result>(...args: string[]): Promise<Result> {
  const { exitCode, stdout, stderr } = await runCommand(...args, '--json')
  if (exitCode !== 0) throw new Error(`freshet ${args.join(' ')} ended with ${exitCode}: ${stderr}`)
  return JSON.parse(stdout) as Result
}
