/** The piece roots that come with a release: of files that it has, and never two for one file. */
import type { Release } from '../../schemas/events.ts'
import { digestHex } from '../../schemas/units.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { PlacedPackages } from './placed-packages.ts'

/** Afterwards they are part of `known`. @param placed as of this release; null: not known. */
export function checkReleaseRoots(
  { block, release }: { readonly block: number; readonly release: Release },
  placed: PlacedPackages | null,
  known: KnownHistory,
  findings: Findings,
): void {
  const { number, roots, lateRoots } = release
  for (const { digest, piecesRoot } of [...roots, ...lateRoots]) {
    const name = digestHex(digest)
    const position = { block, release: number, digest: name }
    if (placed !== null && !placed.has(name)) {
      findings.fault('ROOTS_WRONG', `release ${number} states a root of ${name}, which it does not have`, position)
    }
    if (known.roots.get(name)?.equals(piecesRoot) === false) {
      findings.fault('ROOTS_WRONG', `release ${number} states another root of ${name} than was stated before`, position)
    }
    known.roots.set(name, piecesRoot)
  }
  for (const { digest, piecesRoot } of lateRoots) known.lateRoots.set(digestHex(digest), piecesRoot)
}
