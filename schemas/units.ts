/**
 * Branded text forms of binary names, so that the compiler keeps them apart.
 *
 * A digest or key is a Buffer where bytes are compared or written, and one of these where it is a map key,
 * a file name, JSON, or context of a machine (XState snapshots turn a Uint8Array into a plain object).
 */

declare const brand: unique symbol

/** SHA-256 of a whole file, 64 lower-case hex characters: the name of an artifact. */
export type DigestHex = string & { readonly [brand]: 'digest' }
/** Ed25519 public key or Hypercore key, 64 lower-case hex characters. */
export type KeyHex = string & { readonly [brand]: 'key' }

const HEX_32 = /^[0-9a-f]{64}$/

/** @returns the branded digest, or null when `text` is not 64 lower-case hex characters. */
export function parseDigest(text: string): DigestHex | null {
  return HEX_32.test(text) ? (text as DigestHex) : null
}

/** `bytes` must be 32 bytes long. */
export function digestHex(bytes: Uint8Array): DigestHex {
  return hex32(bytes) as DigestHex
}

/** `bytes` must be 32 bytes long. */
export function keyHex(bytes: Uint8Array): KeyHex {
  return hex32(bytes) as KeyHex
}

function hex32(bytes: Uint8Array): string {
  if (bytes.byteLength !== 32) throw new TypeError(`a digest or key has 32 bytes, not ${bytes.byteLength}`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, 32).toString('hex')
}
