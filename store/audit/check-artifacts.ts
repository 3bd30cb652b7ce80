/** Files of the pool that the audited channel names: each is hashed as a whole, and its piece root held against the log. */
import { FreshetError } from '../../schemas/errors.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { Pool } from '../pool.ts'
import type { Findings } from './findings.ts'

/** What the log says of a file that is in the pool. */
export interface NamedArtifact {
  readonly byteLength: number
  /** The release that brought it, as far as it was looked at. */
  readonly release: number
}

const AT_ONCE = 32

/** @returns how many files were hashed, and their size. @throws FreshetError INTERRUPTED, and what the disk says. */
export async function checkArtifacts(
  pool: Pool,
  named: ReadonlyMap<DigestHex, NamedArtifact>,
  roots: ReadonlyMap<DigestHex, Buffer>,
  findings: Findings,
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 }
  const rest = named.entries()
  const work = async (): Promise<void> => {
    for (const [digest, artifact] of rest) {
      if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the audit was interrupted')
      const byteLength = await checkArtifact(pool, digest, artifact, roots.get(digest) ?? null, findings)
      sum.bytes += byteLength
      onProgress(++sum.files, named.size)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return sum
}

async function checkArtifact(
  pool: Pool,
  digest: DigestHex,
  { byteLength, release }: NamedArtifact,
  root: Buffer | null,
  findings: Findings,
): Promise<number> {
  const found = await pool.rehash(digest)
  if (found === null) return 0 // it left the pool meanwhile
  const position = { digest, release }
  if (found.digest !== digest) {
    findings.fault('ARTIFACT_CHANGED', `the file ${digest} of the pool has the SHA-256 ${found.digest}`, position)
  } else if (found.byteLength !== byteLength) {
    const message = `the file ${digest} has ${found.byteLength} bytes, and its stanza states ${byteLength}`
    findings.fault('ARTIFACT_SIZE_WRONG', message, position)
  } else if (root !== null && found.piecesRoot?.equals(root) !== true) {
    findings.fault('ARTIFACT_ROOT_WRONG', `the file ${digest} has another piece root than the log states`, position)
  }
  return found.byteLength
}
