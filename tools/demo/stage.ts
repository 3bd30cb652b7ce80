/**
 * Where the demo takes place: one temporary folder that holds everything, and the nodes that must be closed before it goes.
 *
 * Owns leaving nothing behind: on success, on failure, on Ctrl-C and when nobody reads the output any more. A second Ctrl-C
 * changes nothing, because npm passes on the one that the terminal has sent already.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Longer means that something hangs: the demo itself takes seconds. */
const STORY_MS_MAX = 120_000
const CLOSE_MS_MAX = 10_000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Stage {
  readonly folder: string
  readonly #abort = new AbortController()
  readonly #closers: (() => Promise<unknown>)[] = []
  readonly #deadline: NodeJS.Timeout

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'freshet-demo-'))
    // For whatever makes temporary files: they go when the folder goes.
    process.env['TMPDIR'] = this.folder
    process.once('exit', () => rmSync(this.folder, { recursive: true, force: true }))
    for (const signal of SIGNALS) process.on(signal, () => this.#end(`interrupted by ${signal}`))
    process.stdout.on('error', () => this.#end('nobody reads the output'))
    this.#deadline = setTimeout(() => this.#end(`not done after ${STORY_MS_MAX / 1000} s`), STORY_MS_MAX)
  }

  /** True once nothing is left of it. */
  get cleared(): boolean {
    return !existsSync(this.folder) && this.#closers.length === 0
  }

  /** Aborts when the demo is to end early; the reason is an Error whose message says why. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  async subfolder(name: string): Promise<string> {
    const path = join(this.folder, name)
    await mkdir(path, { recursive: true })
    return path
  }

  /** `close` runs at the end, the last one added first. */
  onClose(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  /**
   * Tells `story` and clears away, however it ends.
   * @throws what the story threw, or why it was ended.
   */
  async play<T>(story: () => Promise<T>): Promise<T> {
    const told = story()
    const interrupted = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true })
    })
    try {
      return await Promise.race([told, interrupted])
    } finally {
      clearTimeout(this.#deadline)
      await Promise.race([this.#clearAway(told), pause(CLOSE_MS_MAX, undefined, { ref: false })])
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  /** Closing the nodes ends what an interrupted story still waits for, apt included; what it opened meanwhile is closed then. */
  async #clearAway(told: Promise<unknown>): Promise<void> {
    await this.#closeAll()
    await told.catch(() => {}) // told already, or interrupted: the caller has the reason
    await this.#closeAll()
  }

  async #closeAll(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) await close()
  }

  #end(why: string): void {
    this.#abort.abort(new Error(why))
  }
}
