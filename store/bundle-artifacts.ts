/** The files that one `stanzas` block of a log names, with the roots that the log states for them: what its bundles are made of. */
import type { Artifact } from '../schemas/artifact.ts'
import { ARTIFACT_BYTES_MAX, LEAF_BYTES } from '../schemas/limits.ts'
import { readPackageStanza } from '../schemas/stanza.ts'
import type { History } from './history.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'

/**
 * In the order of their stanzas. A file beyond ARTIFACT_BYTES_MAX is passed over: nobody could keep it.
 * @throws FreshetError EVENT_INVALID when the block is no such block; STANZA_*; NO_PEERS.
 */
export async function bundleArtifacts(
  log: ReleaseLog,
  history: History,
  plan: SnapshotPlan,
  block: number,
  options: ReadOptions,
): Promise<Artifact[]> {
  const { text, offsets } = await readStanzas(log, block, options)
  const artifacts: Artifact[] = []
  for (let i = 0; i + 1 < offsets.length; i++) {
    const where = `stanza ${i} of block ${block}`
    const { digest, byteLength } = readPackageStanza(text, offsets[i] ?? 0, offsets[i + 1] ?? 0, where)
    if (byteLength > ARTIFACT_BYTES_MAX) continue
    const piecesRoot = byteLength <= LEAF_BYTES ? null : await history.rootOf(plan, digest, block, options)
    artifacts.push({ digest, byteLength, piecesRoot })
  }
  return artifacts
}
