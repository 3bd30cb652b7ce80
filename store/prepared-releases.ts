/**
 * What waits for signatures: one file for each channel that several people sign, written durably before anybody is asked.
 *
 * Written again under the same name when something else is prepared; removed once it is committed. A file that comes back
 * after a power cut is harmless: committing it finds everything there already.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRecord } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import { REQUEST_BYTES_MAX } from '../schemas/limits.ts'
import { decodeSigning, preparedRecord, signingRequest } from '../schemas/signing.ts'
import type { PreparedRecord, SigningRequest } from '../schemas/signing.ts'
import type { KeyHex } from '../schemas/units.ts'
import { asIoError, errnoOf, removeQuietly, writeDurably } from './durable.ts'

export class PreparedReleases {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** @throws FreshetError REQUEST_INVALID when the file is damaged, IO_ERROR. */
  async read(key: KeyHex): Promise<PreparedRecord | null> {
    const path = this.#path(key)
    let bytes: Buffer
    try {
      bytes = await readFile(path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw asIoError(error, path)
    }
    return decodeSigning(preparedRecord, bytes, path)
  }

  /** @throws FreshetError REQUEST_INVALID when it is too large to be sent round. */
  async write(key: KeyHex, record: PreparedRecord): Promise<void> {
    requestBytes(record.request)
    await writeDurably(this.#path(key), encodeRecord(preparedRecord, record))
  }

  async remove(key: KeyHex): Promise<void> {
    await removeQuietly(this.#path(key))
  }

  #path(key: KeyHex): string {
    return join(this.#directory, `${key}.prepared`)
  }
}

/** The file that signers get: always the same bytes for the same request. */
export function requestBytes(request: SigningRequest): Buffer {
  const bytes = encodeRecord(signingRequest, request)
  if (bytes.byteLength <= REQUEST_BYTES_MAX) return bytes
  const message = `a request of ${bytes.byteLength} bytes is above ${REQUEST_BYTES_MAX}`
  throw new FreshetError('REQUEST_INVALID', message, { byteLength: bytes.byteLength })
}
