/** Channel ids: z-base-32 of the 32-byte key of a release log, as people read and pass it on. */
import HypercoreId from 'hypercore-id-encoding'
import { FreshetError } from '../schemas/errors.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'

export function id(key: Uint8Array): string {
  return HypercoreId.encode(Buffer.from(key))
}

/** The same of a key in hex. */
export function keyId(key: KeyHex): string {
  return id(Buffer.from(key, 'hex'))
}

/** @throws FreshetError CHANNEL_ID_INVALID. */
export function parseId(text: string): KeyHex {
  try {
    return keyHex(HypercoreId.decode(text))
  } catch (error) {
    throw new FreshetError('CHANNEL_ID_INVALID', `${JSON.stringify(text)} is not a channel id`, {}, error)
  }
}
