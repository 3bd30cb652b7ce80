/**
 * Daemons that a test kills, each with a successor that is loaded already.
 *
 * A call that a kill cut off rejects with `Killed`: it was not acknowledged. What a daemon wrote to standard error is kept for
 * the message of a failure.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Assert } from 'brittle'
import type { OperationName } from '../../tools/operations.ts'
import { scratchFolder } from '../helpers/network.ts'
import { compileDaemon } from './compile-daemon.ts'
import type { Answer, Start } from './daemon-process.ts'

const STDERR_CHARACTERS_MAX = 20_000

export class Killed extends Error {}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export class Victim {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #exited: Promise<unknown>
  /** Resolves when it waits for `start`. */
  readonly loaded: Promise<void>
  #onLoaded: () => void = () => {}
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #stderr = ''
  /** The newest release that this daemon announced. */
  #announced = 0
  #onAnnounced: () => void = () => {}
  gateway = ''

  constructor(entry: string) {
    this.loaded = new Promise((resolve) => (this.#onLoaded = resolve))
    this.#child = spawn(process.execPath, ['--unhandled-rejections=strict', entry], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin.on('error', () => {}) // written to while it is being killed
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS_MAX)
    })
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(JSON.parse(line) as Answer))
    this.#exited = once(this.#child, 'close').then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Killed(`the daemon has ended: ${this.#stderr}`))
      this.#waiting.clear()
    })
  }

  get stderr(): string {
    return this.#stderr
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Whether it ended without being told to. */
  get hasCrashed(): boolean {
    return this.#child.exitCode !== null || (this.#child.signalCode !== null && this.#child.signalCode !== 'SIGKILL')
  }

  async start(start: Start): Promise<void> {
    await this.#send(0, start)
  }

  async call<Result>(operation: OperationName, args: object = {}): Promise<Result> {
    const id = ++this.#calls
    return (await this.#send(id, { id, operation, args })) as Result
  }

  /** Resolves when this daemon has announced release `number`. */
  async announces(number: number): Promise<void> {
    while (this.#announced < number) await new Promise<void>((resolve) => (this.#onAnnounced = resolve))
  }

  /** SIGKILL; resolves when the process is gone and everything that it said was heard. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Halts it between two instructions, for as long as a test looks at its disk. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  async #send(id: number, line: object): Promise<unknown> {
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Killed(this.#stderr)
    this.#child.stdin.write(`${JSON.stringify(line)}\n`)
    return answered
  }

  #hear(answer: Answer): void {
    if (answer.type === 'loaded') return this.#onLoaded()
    if (answer.type === 'announced') {
      this.#announced = Math.max(this.#announced, answer.release)
      this.#onAnnounced()
      return
    }
    const id = answer.type === 'started' ? 0 : answer.id
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (answer.type === 'started') this.gateway = answer.gateway
    if (answer.type === 'error') waiting?.reject(new Error(`${answer.code}: ${answer.message}\n${this.#stderr}`))
    else waiting?.resolve(answer.type === 'result' ? answer.result : null)
  }
}

export class Victims {
  readonly #entry: string
  #standby: Victim
  readonly #all: Victim[]

  private constructor(entry: string) {
    this.#entry = entry
    this.#standby = new Victim(entry)
    this.#all = [this.#standby]
  }

  static async prepare(t: Assert): Promise<Victims> {
    const victims = new Victims(await compileDaemon(await scratchFolder(t)))
    t.teardown(() => Promise.all(victims.#all.map((victim) => victim.kill())), { order: -2 })
    return victims
  }

  /** One that has loaded, or is loading; it waits for `start`. */
  next(): Victim {
    const victim = this.#standby
    this.#standby = new Victim(this.#entry)
    this.#all.push(this.#standby)
    return victim
  }
}
