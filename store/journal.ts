/**
 * The node's own log of facts: a Hypercore that is never announced to anybody.
 *
 * Facts are appended in the order they are recorded, several to one write while a write is under way. A fact is on disk
 * (against a process crash) when `record` resolves; facts that a peer or a person was told about are made durable by
 * whoever tells. The whole of it is folded at start; store/compact-journal.ts keeps that short.
 */
import type Hypercore from 'hypercore'
import { decodeFact, encodeFact } from '../schemas/journal.ts'
import type { Fact } from '../schemas/journal.ts'
import { JOURNAL_PENDING_MAX } from '../schemas/limits.ts'
import { FreshetError } from '../schemas/errors.ts'
import { compactJournal, firstPresent } from './compact-journal.ts'
import type { Store } from './open-store.ts'

interface Pending {
  readonly block: Buffer
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Journal {
  readonly #store: Store
  readonly #core: Hypercore
  #pending: Pending[] = []
  #writing = false

  private constructor(store: Store, core: Hypercore) {
    this.#store = store
    this.#core = core
  }

  static async open(store: Store): Promise<Journal> {
    const core = await store.core({ name: 'journal', active: false }) // not even its name is told to peers
    return new Journal(store, core)
  }

  /** Facts in the order they were recorded; a `journal.compacted` voids those before it. */
  async *facts(): AsyncIterable<Fact> {
    for (let block = await firstPresent(this.#core); block < this.#core.length; block++) {
      const bytes = await this.#core.get(block, { wait: false })
      if (bytes === null) throw new FreshetError('STORE_FAILED', `fact ${block} is missing in the journal`, { block })
      yield decodeFact(bytes)
    }
  }

  /** From now on `facts` are all there is. Only call it before anything is recorded. */
  async compact(facts: readonly Fact[], atMs: number): Promise<void> {
    await compactJournal(this.#store, this.#core, facts, atMs)
  }

  async record(fact: Fact): Promise<void> {
    if (this.#pending.length >= JOURNAL_PENDING_MAX) {
      throw new FreshetError('STORE_FAILED', `${this.#pending.length} facts wait for the journal`)
    }
    const block = encodeFact(fact)
    const written = new Promise<void>((resolve, reject) => this.#pending.push({ block, resolve, reject }))
    if (!this.#writing) void this.#write()
    return written
  }

  async close(): Promise<void> {
    await this.#core.close()
  }

  async #write(): Promise<void> {
    this.#writing = true
    while (this.#pending.length > 0) {
      const batch = this.#pending
      this.#pending = []
      try {
        await this.#store.guard(this.#core.append(batch.map(({ block }) => block)))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#writing = false
  }
}
