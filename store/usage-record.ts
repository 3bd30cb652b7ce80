/**
 * How many bytes went out and came in, for each calendar month: what a monthly budget is counted against.
 *
 * One small file, replaced whole at most once in USAGE_WRITE_MS and at close, so that a crash costs the count since and counting costs
 * nothing. The months are the caller's: this file has no clock. A file that cannot be read is a count that begins anew, with a
 * warning: a node must not stay down for it.
 */
import { readFile } from 'node:fs/promises'
import { decodeRecord, encodeRecord, list, struct, text, uint } from '../schemas/codec.ts'
import { asFreshetError } from '../schemas/errors.ts'
import type { FreshetError } from '../schemas/errors.ts'
import { USAGE_MONTHS_MAX, USAGE_WRITE_MS } from '../schemas/limits.ts'
import { asIoError, errnoOf, writeDurably } from './durable.ts'

/** `2026-05`. */
const MONTH = /^\d{4}-\d{2}$/
const MONTH_BYTES = 7
const VERSION = 1

const month = struct({ month: text(MONTH_BYTES), sentBytes: uint, fetchedBytes: uint })
const usage = struct({ version: uint, months: list(month, USAGE_MONTHS_MAX) })

export interface Usage {
  readonly sentBytes: number
  readonly fetchedBytes: number
}

export interface UsageOptions {
  /** Told when the file cannot be read or written; counting goes on. */
  readonly onTrouble: (error: FreshetError) => void
  /** Instead of USAGE_WRITE_MS. */
  readonly writeMs?: number
}

export class UsageRecord {
  readonly #path: string
  readonly #options: UsageOptions
  readonly #months: Map<string, Usage>
  /** Set while something is counted that is not on disk. */
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(path: string, options: UsageOptions, months: Map<string, Usage>) {
    this.#path = path
    this.#options = options
    this.#months = months
  }

  static async open(path: string, options: UsageOptions): Promise<UsageRecord> {
    let months = new Map<string, Usage>()
    try {
      months = decode(await readFile(path))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') options.onTrouble(asIoError(error, path))
    }
    return new UsageRecord(path, options, months)
  }

  of(name: string): Usage {
    return this.#months.get(name) ?? { sentBytes: 0, fetchedBytes: 0 }
  }

  /** @param name of the month, `2026-05`. */
  add(name: string, sentBytes: number, fetchedBytes: number): void {
    if (this.#closed) return // bytes that were on their way
    const before = this.of(name)
    this.#months.set(name, {
      sentBytes: before.sentBytes + sentBytes,
      fetchedBytes: before.fetchedBytes + fetchedBytes,
    })
    this.#forgetOldest(name)
    this.#timer ??= setTimeout(() => this.#write(), this.#options.writeMs ?? USAGE_WRITE_MS).unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) this.#write()
    await this.#writing
  }

  /** The month that is counted stays, however far in the past a wrong clock puts it. */
  #forgetOldest(current: string): void {
    if (this.#months.size <= USAGE_MONTHS_MAX) return
    const [oldest] = [...this.#months.keys()].filter((name) => name !== current).toSorted()
    if (oldest !== undefined) this.#months.delete(oldest)
  }

  #write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const months = [...this.#months].map(([name, counts]) => ({ month: name, ...counts }))
    this.#writing = this.#writing
      .then(() => encodeRecord(usage, { version: VERSION, months: months.toSorted(byMonth) }))
      .then((bytes) => writeDurably(this.#path, bytes))
      .catch((error: unknown) => this.#options.onTrouble(asFreshetError(error))) // the next write has it all
  }
}

function byMonth(a: { readonly month: string }, b: { readonly month: string }): number {
  return a.month < b.month ? -1 : 1
}

/** @throws when it is not such a file. */
function decode(bytes: Buffer): Map<string, Usage> {
  const { version, months } = decodeRecord(usage, bytes)
  if (version !== VERSION || !months.every(({ month: name }) => MONTH.test(name))) {
    throw new Error(`a record of version ${version} that this version does not know`)
  }
  return new Map(months.map(({ month: name, sentBytes, fetchedBytes }) => [name, { sentBytes, fetchedBytes }]))
}
