/** Packages of an index file, and those of a machine, as the solver sees them. */
import type { InstalledPackage } from '../../schemas/installed-packages.ts'
import { readPackageRelations } from '../../schemas/package-relations.ts'
import type { RelationParser } from '../../schemas/relation.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import type { Candidate } from './candidate.ts'

/**
 * @param path names the file in errors.
 * @throws as scanPackages.
 */
export function readCandidates(bytes: Buffer, path: string, parser: RelationParser): Candidate[] {
  const names: string[] = []
  const versions: string[] = []
  const architectures: string[] = []
  const known = new Map<string, string>() // one text for each architecture: quickly compared
  const offsets = scanPackages(bytes, path, (_, { name, version, architecture }) => {
    names.push(name)
    versions.push(version)
    if (!known.has(architecture)) known.set(architecture, architecture)
    architectures.push(known.get(architecture) ?? architecture)
  })
  const source = { path, bytes, offsets }
  return names.map((name, ordinal) => {
    const relations = readPackageRelations(bytes, offsets[ordinal] ?? 0, offsets[ordinal + 1] ?? 0, parser, name)
    return {
      name,
      version: versions[ordinal] ?? '',
      architecture: architectures[ordinal] ?? '',
      relations,
      edition: 0,
      source,
      ordinal,
    }
  })
}

/** Of a status file that was read: they can stay, and there is no file of them here. */
export function installedCandidate({ name, version, architecture, relations }: InstalledPackage): Candidate {
  return { name, version, architecture, relations, edition: 0, source: null, ordinal: 0 }
}
