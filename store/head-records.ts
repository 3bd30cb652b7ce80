/**
 * The newest head of each channel that this node ever accepted or published, outside the store that holds the logs.
 *
 * A store that lost its tail (bit rot in a write-ahead log, a restored backup) looks healthy by itself; this record is what
 * shows that it is behind. One small file per channel, written durably, so that it never goes back.
 */
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeRecord, encodeRecord, fixed32, struct, uint } from '../schemas/codec.ts'
import type { Infer } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { asIoError, writeDurably } from './durable.ts'

const headRecord = struct({ version: uint, key: fixed32, fork: uint, length: uint, treeHash: fixed32, atMs: uint })
const VERSION = 1

export interface HeadRecord {
  readonly fork: number
  readonly length: number
  readonly treeHash: Buffer
  readonly atMs: number
}

export class HeadRecords {
  readonly #directory: string
  readonly #records: Map<KeyHex, HeadRecord>

  private constructor(directory: string, records: Map<KeyHex, HeadRecord>) {
    this.#directory = directory
    this.#records = records
  }

  static async open(directory: string): Promise<HeadRecords> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const records = new Map<KeyHex, HeadRecord>()
    for (const name of await readdir(directory)) {
      if (!name.endsWith('.head')) continue
      const record = decode(await readFile(join(directory, name)), join(directory, name))
      records.set(keyHex(record.key), record)
    }
    return new HeadRecords(directory, records)
  }

  newest(key: KeyHex): HeadRecord | null {
    return this.#records.get(key) ?? null
  }

  /** On disk when it resolves. A record never goes back: a shorter head of the same fork is ignored. */
  async advance(key: KeyHex, head: HeadRecord): Promise<void> {
    const known = this.#records.get(key)
    if (known !== undefined && known.fork === head.fork && known.length >= head.length) return
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
    throw new FreshetError('STORE_FAILED', `the head record ${path} is damaged`, { path }, error)
  }
  throw new FreshetError('VERSION_UNSUPPORTED', `the head record ${path} is of a newer version`, { path })
}
