/**
 * Which release each client of the gateway is on, remembered beyond its connection.
 *
 * Pure: the clock is given. Bounded: the client that was idle longest is forgotten first, and any after an idle time.
 */
export interface Pin {
  readonly channelId: string
  readonly number: number
}

export interface PinTableOptions {
  readonly entriesMax: number
  readonly idleMs: number
  readonly nowMs: () => number
}

interface Entry {
  readonly pin: Pin
  readonly usedAtMs: number
}

export class PinTable {
  readonly #options: PinTableOptions
  /** In order of use: the first is the one to forget. */
  readonly #entries = new Map<string, Entry>()

  constructor(options: PinTableOptions) {
    this.#options = options
  }

  get entryCount(): number {
    return this.#entries.size
  }

  /** A look-up counts as use. */
  get(key: string): Pin | null {
    const entry = this.#entries.get(key)
    if (entry === undefined) return null
    this.#entries.delete(key)
    if (this.#isExpired(entry)) return null
    this.#entries.set(key, { pin: entry.pin, usedAtMs: this.#options.nowMs() })
    return entry.pin
  }

  set(key: string, pin: Pin): void {
    this.#entries.delete(key)
    this.#entries.set(key, { pin, usedAtMs: this.#options.nowMs() })
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#options.entriesMax && !this.#isExpired(entry)) break
      this.#entries.delete(oldest)
    }
  }

  #isExpired(entry: Entry): boolean {
    return this.#options.nowMs() - entry.usedAtMs > this.#options.idleMs
  }
}
