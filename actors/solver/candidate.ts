/** One package as the solver sees it: what it is called, what it asks for, and where its stanza is. */
import type { PackageRelations } from '../../schemas/package-relations.ts'
import type { RelationGroup } from '../../schemas/relation.ts'
import { readSlice } from '../../schemas/stanza.ts'
import type { PackageStanza } from '../../schemas/stanza.ts'

/** An index file in memory, cut into stanzas. */
export interface PackageSource {
  /** Names it in errors. */
  readonly path: string
  readonly bytes: Buffer
  readonly offsets: Uint32Array
}

export interface Candidate {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly relations: PackageRelations
  /** From 0: releases may say different things about one version; these cannot be told apart by name. */
  readonly edition: number
  /** Null: it is installed, and nothing that was read has a file of it. */
  readonly source: PackageSource | null
  /** Of its stanza in the source. */
  readonly ordinal: number
}

/** The package file; read anew, because of a suite in memory few are asked for. */
export function stanzaOf({ source, ordinal }: Candidate): PackageStanza | null {
  return source === null ? null : readSlice(source.bytes, source.offsets, ordinal, source.path)
}

/** What must be there for it: Pre-Depends differ from Depends in the order of installing only. */
export function needsOf({ relations: { preDepends, depends } }: Candidate): readonly RelationGroup[] {
  return preDepends.length === 0 ? depends : [...preDepends, ...depends]
}

/** What must not be there beside it: Breaks differ from Conflicts in the order of installing only. */
export function refusalsOf({ relations: { conflicts, breaks } }: Candidate): readonly RelationGroup[] {
  return breaks.length === 0 ? conflicts : [...conflicts, ...breaks]
}

/** As people name it. */
export function candidateText({ name, version, architecture }: Candidate): string {
  return `${name}:${architecture} ${version}`
}
