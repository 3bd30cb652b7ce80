/**
 * The log of one maintainer of a channel's metadata: a Hypercore that only they can write to.
 *
 * What they wrote is durable before anybody hears of it, like a release: a log that lost its tail would contradict itself. Their
 * changes are checked here as far as one block can be; whether they count is for schemas/metadata-fold.ts.
 */
import type Hypercore from 'hypercore'
import type { Download } from 'hypercore'
import { decodeChange } from '../schemas/automerge-change.ts'
import { FreshetError } from '../schemas/errors.ts'
import { CHANGE_BYTES_MAX } from '../schemas/limits.ts'
import { decodeMaintainerBlock, encodeMaintainerBlock } from '../schemas/maintainer-log.ts'
import type { MaintainerHeading } from '../schemas/maintainer-log.ts'
import type { ChangePlace, MaintainerChange } from '../schemas/metadata-fold.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { pack, unpack } from './brotli.ts'
import { id } from './identity.ts'
import type { Store } from './open-store.ts'
import { readBlock } from './read-block.ts'
import type { ReadOptions } from './release-log.ts'

/** A change with the bytes that Automerge takes. */
export interface ReadChange extends MaintainerChange {
  readonly bytes: Buffer
}

const OWN_CORE = (channel: KeyHex): string => `maintainer/${channel}`

export class MaintainerLog {
  readonly key: KeyHex
  /** z-base-32 of the key, as people pass it on. */
  readonly id: string
  readonly #store: Store
  #core: Hypercore
  /** Readers wait for it. */
  #reopened: Promise<void> = Promise.resolve()
  #contradicts = false
  #download: Download | null = null
  /** Last block that is fetched as it comes; -1: none is. */
  #fetchedUntil = -1

  private constructor(store: Store, core: Hypercore) {
    this.#store = store
    this.#core = core
    this.key = keyHex(core.key)
    this.id = id(core.key)
    core.once('conflict', () => {
      this.#contradicts = true
      this.#reopened = this.#reopen()
      this.#reopened.catch(() => {}) // whoever reads has the error
    })
  }

  /** Ask for it anew each time: a log whose key contradicts itself is opened again, and not replicated any more. */
  get core(): Hypercore {
    return this.#core
  }

  /** Whether its key signed two logs: what was here before can still be read, and nothing is added to it. */
  get contradicts(): boolean {
    return this.#contradicts
  }

  /** The log that this node writes to for `channel`, made where there is none; it has no heading until `begin`. */
  static async openOwn(store: Store, channel: KeyHex): Promise<MaintainerLog> {
    return new MaintainerLog(store, await store.core({ name: OWN_CORE(channel) }))
  }

  /** The same, and null where there is none. */
  static async reopenOwn(store: Store, channel: KeyHex): Promise<MaintainerLog | null> {
    return (await store.hasNamed(OWN_CORE(channel))) ? MaintainerLog.openOwn(store, channel) : null
  }

  /** Somebody else's: nothing needs to be here yet. */
  static async follow(store: Store, key: KeyHex): Promise<MaintainerLog> {
    return new MaintainerLog(store, await store.core({ key: Buffer.from(key, 'hex') }))
  }

  /** Changes that the log is known to have; they need not be here. */
  get changeCount(): number {
    return Math.max(0, this.core.length - 1)
  }

  get hasBegun(): boolean {
    return this.core.length > 0
  }

  /** Writes the heading where there is none yet. */
  async begin(channel: KeyHex, name: string, createdAtMs: number): Promise<void> {
    if (this.hasBegun) return
    const heading = { channel: Buffer.from(channel, 'hex'), name, createdAtMs }
    await this.#append(0, encodeMaintainerBlock({ type: 'heading', ...heading }))
  }

  /** @throws FreshetError EVENT_INVALID, VERSION_UNSUPPORTED, NO_PEERS. */
  async heading(options: ReadOptions = {}): Promise<MaintainerHeading> {
    const block = decodeMaintainerBlock(await this.#block(0, options))
    if (block.type === 'heading') return block
    throw new FreshetError('EVENT_INVALID', `the log ${this.id} does not begin with a heading`)
  }

  /** Change `seq` of this maintainer. @throws FreshetError EVENT_INVALID, VERSION_UNSUPPORTED, NO_PEERS. */
  async change(seq: number, options: ReadOptions = {}): Promise<ReadChange> {
    const block = decodeMaintainerBlock(await this.#block(seq, options))
    if (block.type !== 'change') throw new FreshetError('EVENT_INVALID', `block ${seq} of ${this.id} is not a change`)
    const { byteLength, compressed, follows } = block
    const bytes = await unpack({ block: seq, byteLengthMax: CHANGE_BYTES_MAX }, compressed, byteLength)
    return {
      bytes,
      change: decodeChange(bytes),
      follows: follows.map(({ key, seq: number }) => ({ key: keyHex(key), seq: number })),
    }
  }

  /** How many of changes `first` to `last` are here without a gap, from `first` on. */
  async countHere(first: number, last: number): Promise<number> {
    await this.#reopened
    let count = 0
    while (first + count <= last && (await this.core.has(first + count))) count++
    return count
  }

  /** From now on fetches blocks `first` to `last`, those to come included, and no others: not what stands after a removal. */
  fetch(first: number, last: number): void {
    if (last === this.#fetchedUntil) return
    this.#fetchedUntil = last
    this.#download?.destroy()
    this.#download = first > last ? null : this.core.download({ start: first, end: last + 1, linear: true })
  }

  /** Fetches blocks `first` to `last`, which are there, besides what is fetched as it comes. */
  bring(first: number, last: number): void {
    if (first <= last) this.core.download({ start: first, end: last + 1, linear: true })
  }

  /** Appends change `seq`, durable and then announced. @throws FreshetError DISK_FULL, STORE_FAILED. */
  async append(seq: number, bytes: Buffer, follows: readonly ChangePlace[]): Promise<void> {
    const places = follows.map((place) => ({ key: Buffer.from(place.key, 'hex'), seq: place.seq }))
    const packed = { byteLength: bytes.byteLength, compressed: await pack(bytes), follows: places }
    await this.#append(seq, encodeMaintainerBlock({ type: 'change', ...packed }))
  }

  async #append(position: number, block: Buffer): Promise<void> {
    await this.#store.commit(async (sessionOf) => {
      if (this.core.length !== position) {
        throw new FreshetError('STORE_FAILED', `the log ${this.id} moved from ${position} to ${this.core.length}`)
      }
      await (await sessionOf(this.core)).append([block])
    })
  }

  async #reopen(): Promise<void> {
    await this.#core.close()
    this.#core = await this.#store.core({ key: Buffer.from(this.key, 'hex'), active: false })
  }

  async #block(block: number, { local }: ReadOptions): Promise<Buffer> {
    await this.#reopened
    return readBlock(this.core, block, `the maintainer ${this.id}`, local === true)
  }

  async close(): Promise<void> {
    await this.#reopened.catch(() => {})
    await this.core.close()
  }
}
