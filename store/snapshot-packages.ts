/**
 * The packages of one index file of a snapshot, each with where its stanza stands in the log: what writing out a repository and
 * fetching its files need. One index at a time: its text and its list are in memory.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { FreshetError } from '../schemas/errors.ts'
import { scanPackages } from '../schemas/stanza.ts'
import type { DigestHex } from '../schemas/units.ts'
import { asIoError } from './durable.ts'
import type { SnapshotIndex } from './snapshot.ts'

export interface SnapshotPackage {
  /** Path inside the repository, as in the stanza. */
  readonly filename: string
  readonly byteLength: number
  readonly digest: DigestHex
  /** Block of the log that holds the stanza. */
  readonly block: number
}

/** The text of an index, hashed anew: what the signature vouches for. @throws FreshetError SNAPSHOT_MISMATCH, IO_ERROR. */
export async function readIndex({ path, filePath, digest }: SnapshotIndex): Promise<Buffer> {
  const bytes = await readFile(filePath).catch((error: unknown) => Promise.reject(asIoError(error, filePath)))
  if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes
  throw new FreshetError('SNAPSHOT_MISMATCH', `${filePath} is not ${path} any more`, { path: filePath })
}

/** In the order of the index. @throws as `readIndex`, and as scanning a bad stanza does. */
export async function readIndexPackages(index: SnapshotIndex): Promise<SnapshotPackage[]> {
  const { path, runs } = index
  const packages: SnapshotPackage[] = []
  let [run, runEnd] = [0, runs[0]?.count ?? 0]
  scanPackages(await readIndex(index), path, (ordinal, { filename, byteLength, digest }) => {
    while (ordinal >= runEnd) runEnd += runs[++run]?.count ?? Number.POSITIVE_INFINITY
    packages.push({ filename, byteLength, digest, block: runs[run]?.block ?? 0 })
  })
  return packages
}
