/**
 * The newest head of each channel that this node ever accepted or published, outside the store that holds the logs.
 *
 * A store that lost its tail (bit rot in a write-ahead log, a restored backup) looks healthy by itself; this record is what
 * shows that it is behind. It carries the signature, so that a log which is another one can be shown to be. One small file per channel, written durably, so that it never goes back.
 */
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { bytes, decodeRecord, encodeRecord, fixed32, struct, uint } from '../schemas/codec.ts'
import type { Infer } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { SignedHead } from '../schemas/evidence.ts'
import { HEAD_SIGNATURE_BYTES_MAX } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { asIoError, writeDurably } from './durable.ts'

const headRecord = struct({
  version: uint,
  key: fixed32,
  fork: uint,
  length: uint,
  treeHash: fixed32,
  signature: bytes(HEAD_SIGNATURE_BYTES_MAX),
  atMs: uint,
})
const VERSION = 1

export interface HeadRecord extends SignedHead {
  readonly atMs: number
}

export class HeadRecords {
  readonly #directory: string
  readonly #records: Map<KeyHex, HeadRecord>
  /** One write after the other: the last to finish must be the newest. */
  #written: Promise<void> = Promise.resolve()

  private constructor(directory: string, records: Map<KeyHex, HeadRecord>) {
    this.#directory = directory
    this.#records = records
  }

  static async open(directory: string): Promise<HeadRecords> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const records = new Map<KeyHex, HeadRecord>()
    for (const name of await readdir(directory)) {
      if (!name.endsWith('.head')) continue
      const path = join(directory, name)
      const { key, fork, length, treeHash, signature, atMs } = decode(await readFile(path), path)
      if (name !== `${keyHex(key)}.head`) throw damaged(path)
      records.set(keyHex(key), { fork, length, treeHash, signature, atMs })
    }
    return new HeadRecords(directory, records)
  }

  newest(key: KeyHex): HeadRecord | null {
    return this.#records.get(key) ?? null
  }

  /** On disk when it resolves. A record never goes back: a head of an older fork, or a shorter one of the same, is ignored. */
  advance(key: KeyHex, head: HeadRecord): Promise<void> {
    const writing = this.#written.then(() => this.#advance(key, head))
    this.#written = writing.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return writing
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    await this.#written
  }

  async #advance(key: KeyHex, head: HeadRecord): Promise<void> {
    const known = this.#records.get(key)
    if (known !== undefined && (head.fork < known.fork || (head.fork === known.fork && head.length <= known.length))) {
      return
    }
    const record = { version: VERSION, key: Buffer.from(key, 'hex'), ...head }
    const path = join(this.#directory, `${key}.head`)
    try {
      await writeDurably(path, encodeRecord(headRecord, record))
    } catch (error) {
      throw asIoError(error, path)
    }
    this.#records.set(key, head)
  }
}

function decode(bytes: Buffer, path: string): Infer<typeof headRecord> {
  try {
    const record = decodeRecord(headRecord, bytes)
    if (record.version === VERSION) return record
  } catch (error) {
    throw damaged(path, error)
  }
  throw new FreshetError('VERSION_UNSUPPORTED', `the head record ${path} is of a newer version`, { path })
}

function damaged(path: string, cause?: unknown): FreshetError {
  return new FreshetError('STORE_FAILED', `the head record ${path} is damaged`, { path }, cause)
}
