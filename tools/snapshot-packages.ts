/** Packages of a release as the solver takes them, read from the index files that a node has rebuilt. */
import { readFile } from 'node:fs/promises'
import type { Candidate } from '../actors/solver/candidate.ts'
import { readCandidates } from '../actors/solver/read-candidates.ts'
import { FreshetError } from '../schemas/errors.ts'
import { architectureOfIndex, architecturesOfIndexes } from '../schemas/index-path.ts'
import type { RelationParser } from '../schemas/relation.ts'
import { asIoError } from '../store/durable.ts'
import { machineArchitecture } from './import/machine-architecture.ts'
import type { SnapshotFiles } from './operations.ts'

/** Architectures that the release has indexes of, without `all`, ordered; of one that has nothing else, this machine's. */
async function architecturesOf({ indexes }: SnapshotFiles): Promise<string[]> {
  const named = architecturesOfIndexes(indexes.map(({ path }) => path)).filter((name) => name !== 'all')
  return named.length > 0 ? named : [await machineArchitecture()]
}

/** @throws FreshetError INDEX_MISSING where the release has nothing for the first, the machine's own. */
export async function readSnapshot(
  files: SnapshotFiles,
  architectures: readonly string[],
  parser: RelationParser,
): Promise<Candidate[]> {
  const known = await architecturesOf(files)
  const [own = ''] = architectures
  if (!known.includes(own)) {
    const message = `${files.channel} #${files.release} has ${known.join(', ')}, not ${own}`
    throw new FreshetError('INDEX_MISSING', message, { architecture: own })
  }
  const candidates: Candidate[] = []
  for (const { path, filePath } of files.indexes) {
    const architecture = architectureOfIndex(path)
    if (architecture !== 'all' && !architectures.includes(architecture)) continue
    const bytes = await readFile(filePath).catch((error: unknown) => Promise.reject(asIoError(error, filePath)))
    for (const candidate of readCandidates(bytes, path, parser)) candidates.push(candidate)
  }
  return candidates
}
