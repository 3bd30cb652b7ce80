/**
 * Which files make a bundle: those of one `stanzas` block of a log, in the order of their stanzas, cut where they are many.
 *
 * Everybody who has the block comes to the same bundles, so its position and the number of the part name one. The publisher's order
 * puts what belongs together side by side; a release of some hundred packages is one to three bundles.
 */
import type { Artifact } from './artifact.ts'
import { Bundle } from './bundle.ts'
import { BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX, LEAF_BYTES } from './limits.ts'

/** Names a bundle among those of one log. */
export interface BundlePlace {
  /** Position of the `stanzas` block. */
  readonly block: number
  readonly part: number
}

/** @param artifacts of one block, in order; one that occurs again counts once. @returns the parts. */
export function cutBundles<File extends Artifact>(artifacts: Iterable<File>): File[][] {
  const parts: File[][] = []
  const seen = new Set<string>()
  let byteLength = Number.POSITIVE_INFINITY
  for (const artifact of artifacts) {
    if (seen.has(artifact.digest)) continue
    seen.add(artifact.digest)
    const last = parts.at(-1)
    byteLength += artifact.byteLength
    if (last !== undefined && last.length < BUNDLE_FILES_MAX && byteLength <= BUNDLE_BYTES_MAX) last.push(artifact)
    else {
      parts.push([artifact])
      byteLength = artifact.byteLength
    }
  }
  return parts
}

export function bundleOf(files: readonly Artifact[]): Bundle {
  return new Bundle(
    files.map(({ byteLength, piecesRoot }) => ({
      byteLength,
      checksBlocks: byteLength <= LEAF_BYTES || piecesRoot !== null,
    })),
  )
}
