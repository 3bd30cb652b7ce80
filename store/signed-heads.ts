/**
 * What one signer has signed, beside the key file: a signer who signs two continuations of one log helps to fork it.
 *
 * Written durably before a signature leaves this machine. Heads that the newest base of their channel contains are settled
 * and dropped.
 */
import { readFile } from 'node:fs/promises'
import { encodeRecord } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import { SIGNED_HEADS_MAX } from '../schemas/limits.ts'
import { decodeSigning, signedHeads, SIGNING_VERSION } from '../schemas/signing.ts'
import type { SignedHeads } from '../schemas/signing.ts'
import { asIoError, errnoOf, writeDurably } from './durable.ts'
import { id } from './identity.ts'

export type SignedRange = SignedHeads['heads'][number]

/** The name of the list that belongs to a key file. */
export function signedHeadsPath(keyFile: string): string {
  return `${keyFile}.signed`
}

/**
 * Notes that `head` is signed, on disk when it resolves. Repeating it changes nothing.
 * @throws FreshetError SIGNED_OTHER unless `replace`, when another head beyond the same base was signed; REQUEST_INVALID.
 */
export async function noteSigned(path: string, head: SignedRange, replace: boolean): Promise<void> {
  const { heads } = await read(path)
  if (heads.some((known) => isSame(known, head))) return
  const other = heads.find(({ key, length }) => key.equals(head.key) && length > head.base)
  if (other !== undefined && !replace) {
    const message = `another continuation of ${id(head.key)} is signed, from block ${other.base} to ${other.length}`
    throw new FreshetError('SIGNED_OTHER', message, { base: head.base, length: head.length, signed: other.length })
  }
  const open = heads.filter(({ key, length }) => !key.equals(head.key) || length > head.base)
  const kept = [...open, head].slice(-SIGNED_HEADS_MAX)
  await writeDurably(path, encodeRecord(signedHeads, { version: SIGNING_VERSION, heads: kept }))
}

async function read(path: string): Promise<SignedHeads> {
  try {
    return decodeSigning(signedHeads, await readFile(path), path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { version: SIGNING_VERSION, heads: [] }
    throw asIoError(error, path)
  }
}

function isSame(a: SignedRange, b: SignedRange): boolean {
  return a.key.equals(b.key) && a.base === b.base && a.length === b.length && a.treeHash.equals(b.treeHash)
}
