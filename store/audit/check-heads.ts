/** Heads of a log against its tree, built again, and the signer set that its key stands for. */
import type { Manifest } from 'hypercore'
import type { Release } from '../../schemas/events.ts'
import { lintManifest } from '../lint-manifest.ts'
import type { SignedHead } from '../../schemas/evidence.ts'
import type { ReleaseLog } from '../release-log.ts'
import { isManifestOf, verifyHead } from '../head-evidence.ts'
import type { Findings } from './findings.ts'
import type { RebuiltTree } from './rebuild-tree.ts'

/** @returns the signer set; null when none can be relied on. */
export function checkManifest({ core, key }: ReleaseLog, findings: Findings): Manifest | null {
  const { manifest } = core
  if (manifest === null || !isManifestOf(core.key, manifest)) {
    findings.fault('MANIFEST_WRONG', 'the signer set that this store has is not the one that the key stands for')
    return null
  }
  return findings.attempt('MANIFEST_WRONG', {}, () => (lintManifest(key, manifest), manifest)) ?? null
}

/** The newest head, and the newest that this node accepted earlier. */
export function checkNewestHead(
  core: ReleaseLog['core'],
  manifest: Manifest | null,
  tree: RebuiltTree,
  head: SignedHead,
  accepted: SignedHead | null,
  findings: Findings,
): void {
  for (const block of tree.unreadable) {
    findings.fault('BLOCK_UNREADABLE', `block ${block} of the log cannot be read`, { block })
  }
  for (const block of tree.changed) {
    findings.fault('BLOCK_CHANGED', `block ${block} of the log is not what its Merkle leaf says`, { block })
  }
  const treeHash = tree.hashAt(head.length)
  if (head.length > 0 && manifest !== null && !verifyHead(core.key, manifest, { ...head, treeHash })) {
    const message = `the ${head.length} blocks of the log do not give the tree that its signature is about`
    findings.fault('HEAD_UNSIGNED', message, { block: head.length - 1 })
  }
  if (accepted === null) return
  const continues = accepted.length <= head.length && accepted.fork === head.fork
  if (continues && tree.hashAt(accepted.length).equals(accepted.treeHash)) return
  const message = `this node accepted a head of ${accepted.length} blocks that this log does not continue`
  findings.fault('HEAD_REWRITTEN', message, { block: Math.min(accepted.length, head.length) })
}

/** What a release says of the log before it: `base` blocks, the tree of exactly those, and a signature over it. */
export function checkHeadBefore(
  core: ReleaseLog['core'],
  manifest: Manifest | null,
  tree: RebuiltTree,
  release: { readonly base: number; readonly block: number; readonly release: Release },
  findings: Findings,
): void {
  const { base, block } = release
  const { number, headBefore } = release.release
  const report = (what: string): void =>
    findings.fault('RELEASE_HEAD_WRONG', `the head that release ${number} states ${what}`, { block, release: number })
  if (headBefore.length !== base) report(`has ${headBefore.length} blocks, and ${base} stand before the release`)
  else if (headBefore.fork !== 0) report(`is of fork ${headBefore.fork}`)
  else if (!headBefore.treeHash.equals(tree.hashAt(base))) report('is not the tree of the blocks before it')
  else if (manifest !== null && !verifyHead(core.key, manifest, headBefore))
    report('is not signed as the channel demands')
}
