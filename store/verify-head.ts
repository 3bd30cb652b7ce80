/**
 * Whether a head of a log is signed as its manifest demands, from key, manifest and signature alone.
 *
 * Covers quorums. Source: hypercore 11.37 lib/verifier.js, lib/caps.js (private, pinned).
 */
import type { Manifest } from 'hypercore'
import caps from 'hypercore/lib/caps.js'
import Verifier from 'hypercore/lib/verifier.js'
import type { SignedHead } from '../schemas/events.ts'

/** `manifest` must be linted (store/lint-manifest.ts) and that of the key. */
export function verifyHead(key: Buffer, manifest: Manifest, head: SignedHead): boolean {
  const { length, fork, treeHash, signature } = head
  const view = {
    length,
    fork,
    hash: () => treeHash,
    signable: (context: Buffer) => caps.treeSignable(context, treeHash, length, fork),
  }
  try {
    return new Verifier(key, manifest).verify(view, signature)
  } catch {
    return false // bytes that are no signature at all
  }
}

/** The key of a log is the hash of its manifest: nobody else can say who signs. */
export function isManifestOf(key: Buffer, manifest: Manifest): boolean {
  const unproven = manifest.prologue !== undefined && manifest.prologue !== null // blocks that nobody needs to sign
  return !unproven && Buffer.from(Verifier.manifestHash(manifest)).equals(key)
}
