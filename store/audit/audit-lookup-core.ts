/** The blocks of the published look-up index, as far as the newest release names it: all there, and those that it is about. */
import type { ReleaseLog } from '../release-log.ts'
import type { Release } from '../../schemas/events.ts'
import type { Findings } from './findings.ts'
import type { ReadBlocksOptions } from './read-blocks.ts'
import { rebuildTree } from './rebuild-tree.ts'

/** @returns the number of blocks. @throws FreshetError NO_PEERS, INTERRUPTED. */
export async function auditLookupCore(
  log: ReleaseLog,
  release: Release,
  findings: Findings,
  options: ReadBlocksOptions,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  const { length, treeHash } = release.index
  const core = await log.indexCore()
  const tree = await rebuildTree(core, length, (hash) => hash.equals(treeHash), options, onProgress)
  for (const block of [...tree.unreadable, ...tree.changed]) {
    findings.fault('LOOKUP_BLOCK_CHANGED', `block ${block} of the look-up index is not what was written`, { block })
  }
  if (!tree.hashAt(length).equals(treeHash)) {
    const message = `the look-up index here is not the one that release ${release.number} names`
    findings.fault('LOOKUP_HEAD_WRONG', message, { release: release.number })
  }
  return length
}
