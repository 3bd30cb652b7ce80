/**
 * Files with which several people sign one step of a channel: the request, a signer's answer, what the publisher prepared,
 * and what a signer has signed.
 *
 * Manifests and keys are not written down: they follow from the signer set and the genesis (store/quorum.ts), so no file can
 * contradict itself about them. Each begins with a version. Written by: store/prepared-releases.ts, tools/commands/sign.ts,
 * store/signed-heads.ts; a request and an answer are read on machines that trust neither the other nor the way between.
 */
import { bytes, decodeRecord, fixed32, fixed64, list, nullable, struct, uint } from './codec.ts'
import type { Codec, Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import type { ErrorCode } from './errors.ts'
import * as limits from './limits.ts'

export const SIGNING_VERSION = 1

/** Who signs, ascending by key, and how many of them must. */
const signerSet = { quorum: uint, signers: list(fixed32, limits.SIGNERS_MAX) }
const channel = { ...signerSet, genesis: bytes(limits.EVENT_BYTES_MAX) }

const treeRoot = struct({ index: uint, size: uint, hash: fixed32 })
/** A signed head with the roots of its Merkle tree: all that is needed to compute any head after it. */
const treeBase = struct({
  length: uint,
  fork: uint,
  roots: list(treeRoot, limits.TREE_ROOTS_MAX),
  signature: bytes(limits.HEAD_SIGNATURE_BYTES_MAX),
})
const target = struct({ length: uint, treeHash: fixed32 })

/** Please sign: these blocks after that head. The last of them is a `release`, which names the head of the index, or a `rotate`. */
export const signingRequest = struct({
  version: uint,
  ...channel,
  base: treeBase,
  blocks: list(bytes(limits.EVENT_BYTES_MAX), limits.PREPARED_BLOCKS_MAX),
  target,
  /** The channel that a `rotate` names. */
  successor: nullable(struct(channel)),
})

/** One signer's answer: to the head of the log, and to that of the index when there is a release. */
export const signatureFile = struct({
  version: uint,
  /** Of the channel's log. */
  key: fixed32,
  target,
  signer: fixed32,
  logSignature: fixed64,
  indexSignature: nullable(fixed64),
})

/** What waits for signatures on the publisher's machine: the request, and what is to be appended to the index. */
export const preparedRecord = struct({
  version: uint,
  request: signingRequest,
  index: nullable(
    struct({
      base: uint,
      blocks: list(bytes(limits.INDEX_BLOCK_BYTES_MAX), limits.PREPARED_INDEX_BLOCKS_MAX),
      length: uint,
      treeHash: fixed32,
    }),
  ),
})

/** What one signer has signed, oldest first. */
export const signedHeads = struct({
  version: uint,
  heads: list(struct({ key: fixed32, base: uint, length: uint, treeHash: fixed32 }), limits.SIGNED_HEADS_MAX),
})

export interface SignerSet {
  readonly quorum: number
  /** Ed25519 public keys, ascending. */
  readonly signers: readonly Buffer[]
}
/** A channel with several signers: its key follows from this. */
export interface QuorumChannel extends SignerSet {
  /** Block 0. */
  readonly genesis: Buffer
}
export type TreeBase = Infer<typeof treeBase>
export type SigningRequest = Infer<typeof signingRequest>
export type SignatureFile = Infer<typeof signatureFile>
export type PreparedRecord = Infer<typeof preparedRecord>
export type SignedHeads = Infer<typeof signedHeads>

/** @throws FreshetError `code` naming `what` for damaged bytes, VERSION_UNSUPPORTED. */
export function decodeSigning<T extends { readonly version: number }>(
  codec: Codec<T>,
  record: Uint8Array,
  what: string,
  code: ErrorCode = 'REQUEST_INVALID',
): T {
  if (record[0] !== undefined && record[0] > SIGNING_VERSION && record[0] < 0xfd) {
    throw new FreshetError('VERSION_UNSUPPORTED', `${what} was written by a newer Freshet`)
  }
  try {
    const decoded = decodeRecord(codec, record)
    if (decoded.version === SIGNING_VERSION) return decoded
  } catch (error) {
    throw new FreshetError(code, `${what} is damaged or something else`, {}, error)
  }
  throw new FreshetError(code, `${what} is damaged or something else`)
}
