/**
 * The private key of one signer: an Ed25519 key in a PEM file (PKCS #8), readable by its owner only.
 *
 * A key file appears whole or not at all, and none is ever replaced: it may be the only copy.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { link, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import { SIGNER_KEY_BYTES_MAX } from '../schemas/limits.ts'
import { asIoError, errnoOf, FILE_MODE, removeQuietly, syncDirectory, TEMPORARY_SUFFIX } from './durable.ts'
import { parseId } from './identity.ts'

export interface SignerKey {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer
  sign(message: Buffer): Buffer
}

/**
 * Makes a key, durable when it resolves. A key that is there already is the answer: so the command can be repeated.
 * @throws FreshetError SIGNER_KEY_INVALID when something else has this name, IO_ERROR.
 */
export async function createSignerKey(path: string): Promise<SignerKey> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`
  try {
    const handle = await open(temporary, 'wx', FILE_MODE)
    try {
      await handle.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(temporary, path) // unlike rename(2) it refuses to replace
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw asIoError(error, path)
  } finally {
    await removeQuietly(temporary)
  }
  await syncDirectory(dirname(path))
  return readSignerKey(path)
}

/** @throws FreshetError SIGNER_KEY_INVALID, IO_ERROR. */
export async function readSignerKey(path: string): Promise<SignerKey> {
  const pem = await readFile(path).catch((error: unknown) => Promise.reject(asIoError(error, path)))
  const key = pem.byteLength > SIGNER_KEY_BYTES_MAX ? null : parsePem(pem)
  const x = key?.asymmetricKeyType === 'ed25519' ? createPublicKey(key).export({ format: 'jwk' }).x : undefined
  if (key === null || x === undefined) {
    throw new FreshetError('SIGNER_KEY_INVALID', `${path} is not the private key of a signer`, { path })
  }
  return { publicKey: Buffer.from(x, 'base64url'), sign: (message) => sign(null, message, key) }
}

/** The public key as people pass it on: z-base-32, like a channel's id. @throws FreshetError SIGNER_KEY_INVALID. */
export function parseSigner(text: string): Buffer {
  try {
    return Buffer.from(parseId(text), 'hex')
  } catch (error) {
    const message = `${JSON.stringify(text)} is not the public key of a signer`
    throw new FreshetError('SIGNER_KEY_INVALID', message, {}, error)
  }
}

function parsePem(pem: Buffer): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    return null
  }
}
