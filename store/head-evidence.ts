/**
 * The signed head of a log: taken from a core, and verified against key and manifest alone.
 *
 * Hypercore keeps the newest signature only, so whoever wants to hold a publisher to its word takes it down at every append.
 * Verification covers quorums, and refuses manifests whose signatures could be had without their signers' doing.
 * Source: hypercore 11.37 lib/verifier.js, lib/caps.js (private, pinned).
 */
import type Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import caps from 'hypercore/lib/caps.js'
import multisig from 'hypercore/lib/multisig.js'
import Verifier from 'hypercore/lib/verifier.js'
import { FreshetError } from '../schemas/errors.ts'
import { invalidEvidence } from '../schemas/evidence.ts'
import type { SignedHead } from '../schemas/evidence.ts'
import { LOG_BLOCKS_MAX, MANIFEST_BYTES_MAX } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import { lintManifest } from './lint-manifest.ts'

/** The newest signed head that `core` knows, read in one tick; null before there is any. */
export function headEvidence(core: Hypercore): SignedHead | null {
  const { state } = core.core
  const { length, fork, signature } = state
  if (signature === null) return null
  return { length, fork, treeHash: Buffer.from(state.hash()), signature: Buffer.from(signature) }
}

/** `manifest` must be what `readManifest` gave, or linted otherwise. */
export function verifyHead(key: Buffer, manifest: Manifest, head: SignedHead): boolean {
  const { length, fork, treeHash, signature } = head
  if (length > LOG_BLOCKS_MAX) return false
  // A genesis that the key binds is signed by nobody, and Hypercore does not look at its fork: anyone could claim a rewrite.
  const { prologue } = manifest
  if (prologue !== undefined && prologue !== null && length <= prologue.length && fork !== 0) return false
  const view = {
    length,
    fork,
    hash: () => treeHash,
    signable: (context: Buffer) => caps.treeSignable(context, treeHash, length, fork),
  }
  try {
    return isCanonical(signature) && new Verifier(key, manifest).verify(view, signature)
  } catch {
    return false // bytes that are no signature at all
  }
}

/** The key of a log is the hash of its manifest: nobody else can say who signs. */
export function isManifestOf(key: Buffer, manifest: Manifest): boolean {
  return Buffer.from(Verifier.manifestHash(manifest)).equals(key)
}

/** Hypercore skips what it does not need of a signature; two byte strings for one signature would be two files for one finding. */
function isCanonical(signature: Buffer): boolean {
  const parts = multisig.inflate(signature).proofs.map((proof) => ({ ...proof, patch: 0, nodes: null }))
  return Buffer.from(multisig.assemble(parts)).equals(signature)
}

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(Verifier.encodeManifest(manifest))
}

/** @throws FreshetError EVIDENCE_INVALID when `bytes` are not the manifest of the log `key`, MANIFEST_WEAK. */
export function readManifest(key: Buffer, bytes: Buffer): Manifest {
  if (bytes.byteLength > MANIFEST_BYTES_MAX) throw invalidEvidence(`a manifest of ${bytes.byteLength} bytes`)
  const manifest = decode(bytes)
  if (!isManifestOf(key, manifest) || !encodeManifest(manifest).equals(bytes))
    throw invalidEvidence('the manifest is not that of the key')
  lintManifest(keyHex(key), manifest)
  if (Verifier.isCompat(key, manifest)) {
    throw new FreshetError('MANIFEST_WEAK', `channel ${keyHex(key)}: its key is that of its signer`)
  }
  return manifest
}

function decode(bytes: Buffer): Manifest {
  try {
    return Verifier.decodeManifest(bytes)
  } catch (error) {
    throw invalidEvidence('the manifest cannot be decoded', error)
  }
}
