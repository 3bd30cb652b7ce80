/**
 * Several signers of one channel: the manifests that make its two keys, what each signer signs, and whether enough have.
 *
 * The log's manifest binds the genesis as its prologue, so the key names signers, quorum and first block at once, and block 0
 * needs no signature. The index has the same signers under a namespace of its own. Every signature is checked by itself:
 * Hypercore looks at the first `quorum` of them only and cannot say whose is wrong.
 * Source: hypercore 11.37 lib/verifier.js, lib/multisig.js, lib/caps.js (private, pinned).
 */
import { createHash } from 'node:crypto'
import Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import caps from 'hypercore/lib/caps.js'
import multisig from 'hypercore/lib/multisig.js'
import { decodeEvent, encodeEvent, expectEvent } from '../schemas/events.ts'
import type { Genesis } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { QuorumChannel, SignatureFile, SignerSet } from '../schemas/signing.ts'
import { verifyHead } from './head-evidence.ts'
import { id } from './identity.ts'
import { lintManifest } from './lint-manifest.ts'
import { EMPTY_TREE, headAfter } from './tree-head.ts'
import type { TreeHead } from './tree-head.ts'

/** What a log needs to know of its signers. */
export interface Quorum {
  readonly channel: QuorumChannel
  readonly genesis: Genesis
  readonly log: Manifest
  readonly index: Manifest
  readonly logKey: Buffer
  readonly indexKey: Buffer
}

/** A signature file, and what it is called in messages. */
export interface NamedSignature {
  readonly name: string
  readonly file: SignatureFile
}

/** The signature of a head that needs none: that of the genesis, which the key binds. */
export const UNSIGNED = Buffer.from(multisig.assemble([]))

/** @throws FreshetError MANIFEST_WEAK. */
export function signerSet(signers: readonly Buffer[], quorum: number): SignerSet {
  const set = { quorum, signers: signers.toSorted((a, b) => a.compare(b)) }
  lintManifest('to be made', manifestOf(set, caps.DEFAULT_NAMESPACE))
  return set
}

export function isSameSet(a: SignerSet, b: SignerSet): boolean {
  const keys = ({ signers }: SignerSet): string => Buffer.concat(signers).toString('hex')
  return a.quorum === b.quorum && keys(a) === keys(b)
}

/** A new channel of these signers. */
export function foundChannel(set: SignerSet, about: Omit<Genesis, 'indexKey'>): Quorum {
  const indexKey = Hypercore.key(indexManifest(set, about))
  return quorumOf({ ...set, genesis: encodeEvent({ type: 'genesis', ...about, indexKey }) })
}

/** @throws FreshetError MANIFEST_WEAK, EVENT_INVALID when the genesis names another index than its signers have. */
export function quorumOf(channel: QuorumChannel): Quorum {
  const genesis = expectEvent('genesis', decodeEvent(channel.genesis), 0)
  const index = indexManifest(channel, genesis)
  const { length, treeHash } = headAfter(EMPTY_TREE, [channel.genesis])
  const log = { ...manifestOf(channel, caps.DEFAULT_NAMESPACE), prologue: { length, hash: treeHash } }
  lintManifest(genesis.name, log)
  const [logKey, indexKey] = [Hypercore.key(log), Hypercore.key(index)]
  if (!indexKey.equals(genesis.indexKey)) {
    throw new FreshetError('EVENT_INVALID', `the genesis of ${id(logKey)} names an index of other signers`)
  }
  return { channel, genesis, log, index, logKey, indexKey }
}

/** The signers of a log that is here; null for a log of one key, whose genesis is signed like any block. */
export function signersOf(manifest: Manifest | null): SignerSet | null {
  if (manifest === null || (manifest.prologue ?? null) === null) return null
  return { quorum: manifest.quorum, signers: manifest.signers.map(({ publicKey }) => publicKey) }
}

/** The bytes that a signer of the core `key` signs. */
export function signable(key: Buffer, { treeHash, length, fork }: TreeHead): Buffer {
  return caps.treeSignable(key, treeHash, length, fork)
}

/**
 * The signatures of a quorum, for the log and for the index (null: no index head is signed).
 * @throws FreshetError SIGNER_UNKNOWN, SIGNATURE_WRONG naming signer and file, also when enough others would do; QUORUM_SHORT.
 */
export function assembleQuorum(
  quorum: Quorum,
  heads: { readonly log: TreeHead; readonly index: TreeHead | null },
  signatures: readonly NamedSignature[],
): { readonly log: Buffer; readonly index: Buffer | null } {
  const signed = new Map<number, SignatureFile>()
  for (const signature of signatures) signed.set(checkedSigner(quorum, heads, signature), signature.file)
  const { quorum: needed } = quorum.channel
  if (signed.size < needed) {
    const message = `${signed.size} of ${needed} signatures for ${id(quorum.logKey)}`
    throw new FreshetError('QUORUM_SHORT', message, { signed: signed.size, needed })
  }
  const chosen = [...signed].sort(([a], [b]) => a - b).slice(0, needed)
  const log = chosen.map(([signer, { logSignature }]) => part(signer, logSignature))
  const index = chosen.flatMap(([signer, { indexSignature }]) =>
    indexSignature === null ? [] : [part(signer, indexSignature)],
  )
  return { log: multisig.assemble(log), index: heads.index === null ? null : multisig.assemble(index) }
}

/** @returns the position of the signer among those of the channel. */
function checkedSigner(
  { channel, log, index, logKey, indexKey }: Quorum,
  heads: { readonly log: TreeHead; readonly index: TreeHead | null },
  { name, file }: NamedSignature,
): number {
  const detail = { signer: id(file.signer), file: name }
  const wrong = (what: string): FreshetError =>
    new FreshetError('SIGNATURE_WRONG', `${name}, of the signer ${detail.signer}, ${what}`, detail)
  if (!file.key.equals(logKey)) throw wrong('is for another channel')
  const signer = channel.signers.findIndex((key) => key.equals(file.signer))
  if (signer < 0) {
    const message = `${name} is of ${detail.signer}, who is no signer of ${id(logKey)}`
    throw new FreshetError('SIGNER_UNKNOWN', message, detail)
  }
  const { length, treeHash } = file.target
  if (length !== heads.log.length || !treeHash.equals(heads.log.treeHash)) throw wrong('is not for what is prepared')
  if (!isSignedBy(logKey, log, heads.log, signer, file.logSignature)) throw wrong('does not hold for the log')
  const { indexSignature } = file
  const holds =
    heads.index === null || indexSignature === null
      ? heads.index === indexSignature
      : isSignedBy(indexKey, index, heads.index, signer, indexSignature)
  if (!holds) throw wrong('does not hold for the index')
  return signer
}

function isSignedBy(key: Buffer, manifest: Manifest, head: TreeHead, signer: number, signature: Buffer): boolean {
  const alone = multisig.assemble([part(signer, signature)])
  return verifyHead(key, { ...manifest, quorum: 1, prologue: null }, { ...head, signature: alone })
}

function part(signer: number, signature: Buffer): { signer: number; signature: Buffer; patch: number; nodes: null } {
  return { signer, signature, patch: 0, nodes: null }
}

function indexManifest(set: SignerSet, { name, createdAtMs, signingKey }: Omit<Genesis, 'indexKey'>): Manifest {
  const hash = createHash('sha256').update('freshet channel index\n')
  return manifestOf(set, hash.update(`${name}\n${createdAtMs}\n`).update(signingKey).digest())
}

function manifestOf({ quorum, signers }: SignerSet, namespace: Buffer): Manifest {
  return { version: 1, quorum, allowPatch: false, signers: signers.map((publicKey) => ({ publicKey, namespace })) }
}
