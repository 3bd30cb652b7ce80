/**
 * One file of an HTTP mirror as a source of its bundle, beside the peers. It shows the whole file and wants nothing; an ask becomes a
 * request for a range. It has no hashes to give: where peers gave those of a file, its pieces are checked one by one, else the file is
 * checked as a whole.
 */
import { createHash } from 'node:crypto'
import { asFreshetError, type FreshetError } from '../schemas/errors.ts'
import { LEAF_BYTES, PIECE_BYTES, ROUND_TRIP_MS } from '../schemas/limits.ts'
import { NumberSet } from '../schemas/number-set.ts'
import { keyHex, type KeyHex } from '../schemas/units.ts'
import type { BundleLine } from './bundle-line.ts'
import type { BlockMask, ExchangeWord } from './exchange/exchange-words.ts'
import type { Source } from './fetch-tally.ts'
import type { MirrorClient } from './mirror-client.ts'
import type { SharedBundle } from './shared-bundle.ts'

export interface MirrorLineOptions {
  readonly id: number
  readonly client: MirrorClient
  readonly base: string
  readonly path: string
  readonly onCame: (byteLength: number) => void
  /** It failed, or gave wrong bytes; it has left already. */
  readonly onFailed: (error: FreshetError) => void
}

interface RangeRequest {
  readonly piece: number
  /** Blocks that are not taken back. */
  wanted: BlockMask
  readonly abort: AbortController
}

export class MirrorLine implements BundleLine {
  readonly id: number
  readonly key: KeyHex
  readonly source: Source
  readonly roundTripMs = ROUND_TRIP_MS
  readonly #options: MirrorLineOptions
  readonly #bundle: SharedBundle
  readonly #file: number
  readonly #requests = new Set<RangeRequest>()
  #left = false

  constructor(bundle: SharedBundle, file: number, options: MirrorLineOptions) {
    this.id = options.id
    this.key = mirrorKey(options.base)
    this.source = { kind: 'mirror', name: options.base }
    this.#options = options
    this.#bundle = bundle
    this.#file = file
  }

  join(): void {
    const { bundle } = this.#bundle
    const held = new NumberSet(bundle.blocks)
    const { first, count } = bundle.piecesOf(this.#file)
    const end = bundle.blocksOf(first + count - 1)
    for (let block = bundle.blocksOf(first).first; block < end.first + end.count; block++) held.add(block)
    const nothing = new NumberSet(bundle.pieces)
    const told = NumberSet.full(bundle.blocks)
    this.#bundle.join(this, { held, wanted: nothing, told, roundTripMs: this.roundTripMs, givesLeaves: false })
  }

  leave(): void {
    if (this.#left) return
    this.#left = true
    for (const { abort } of this.#requests) abort.abort()
    this.#bundle.leave(this)
  }

  mayReceive(): boolean {
    return false
  }

  say(_: SharedBundle, word: ExchangeWord): void {
    if (word.type === 'ask') void this.#fetch(word.piece, word.blocks) // what fails makes it leave
    if (word.type === 'cancel') this.#cancel(word.piece, word.blocks)
  }

  askLayer(bundle: SharedBundle, file: number, first: number): void {
    bundle.heardLayer(this, file, first, Buffer.alloc(0))
  }

  sayLayer(): void {}

  blame(error: FreshetError): void {
    this.#fail(error)
  }

  /** A request goes on as long as one of its blocks is wanted. */
  #cancel(piece: number, blocks: BlockMask): void {
    for (const request of this.#requests) {
      if (request.piece !== piece) continue
      request.wanted &= ~blocks
      if (request.wanted === 0) request.abort.abort()
    }
  }

  /** From the first of the blocks to the last. */
  async #fetch(piece: number, mask: BlockMask): Promise<void> {
    const { bundle, artifacts } = this.#bundle
    const { client, base, path, onCame } = this.#options
    const request = { piece, wanted: mask, abort: new AbortController() }
    this.#requests.add(request)
    const { signal } = request.abort
    const { first } = bundle.blocksOf(piece)
    let block = first + (31 - Math.clz32(mask & -mask))
    const last = first + (31 - Math.clz32(mask))
    const start = (piece - bundle.piecesOf(this.#file).first) * PIECE_BYTES + (block - first) * LEAF_BYTES
    const lengthBytes = (last - block) * LEAF_BYTES + bundle.blockBytes(last)
    const fileBytes = artifacts[this.#file]?.byteLength ?? 0
    try {
      let waiting: Buffer = Buffer.alloc(0)
      for await (const chunk of client.fetchRange({
        base,
        path,
        fileBytes,
        first: start,
        lengthBytes,
        signal,
      })) {
        onCame(chunk.byteLength)
        waiting = waiting.byteLength === 0 ? chunk : Buffer.concat([waiting, chunk])
        for (; block <= last && waiting.byteLength >= bundle.blockBytes(block); block++) {
          const byteLength = bundle.blockBytes(block)
          const bytes = waiting.subarray(0, byteLength)
          waiting = waiting.subarray(byteLength)
          if (!this.#left) this.#bundle.heardBlock(this, block, bytes)
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(asFreshetError(error))
    } finally {
      this.#requests.delete(request)
    }
  }

  #fail(error: FreshetError): void {
    if (this.#left) return
    this.leave()
    this.#options.onFailed(error)
  }
}

/** What stands for a mirror where peers have a key; no peer has such a one. */
function mirrorKey(base: string): KeyHex {
  return keyHex(createHash('sha256').update(base).digest())
}
