/** Packages that cannot be installed any more once some index files take the place of others. */
import { RelationParser } from '../../schemas/relation.ts'
import type { Candidate } from './candidate.ts'
import { explanationLines } from './explain.ts'
import { PackageCheck } from './package-check.ts'
import { readCandidates } from './read-candidates.ts'
import { Universe } from './universe.ts'

export interface IndexText {
  readonly path: string
  readonly bytes: Buffer
}

export interface NewlyBroken {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Steps that show why, the first about the package itself. */
  readonly reason: readonly string[]
}

/**
 * @param before index files of one architecture, which are taken for the packages that can be had; `after`: what takes their place.
 * @returns in the order of `after`: what is new there and cannot be installed, and what could be before.
 * @throws as readCandidates; SOLVER_GAVE_UP.
 */
export async function newlyBroken(
  architecture: string,
  before: readonly IndexText[],
  after: readonly IndexText[],
): Promise<NewlyBroken[]> {
  const parser = new RelationParser()
  const read = (files: readonly IndexText[]): Candidate[] =>
    files.flatMap(({ path, bytes }) => readCandidates(bytes, path, parser))
  const universe = new Universe(architecture, read(before))
  const check = await PackageCheck.run(universe)
  const known = new Set(check.broken.map((id) => textOf(universe.candidate(id))))
  const { went, came } = exchanged(universe, read(after))
  await check.advance(went, came)
  const found: NewlyBroken[] = []
  for (const id of check.broken) {
    const candidate = universe.candidate(id)
    if (known.has(textOf(candidate))) continue
    const { name, version, architecture: own } = candidate
    found.push({ name, version, architecture: own, reason: explanationLines(universe, await check.reason(id)) })
  }
  return found
}

/** What has to go and to come for the universe to be `after`: a stanza that changed does both. */
function exchanged(universe: Universe, after: readonly Candidate[]): { went: number[]; came: Candidate[] } {
  const wanted = new Map(after.map((candidate) => [textOf(candidate), candidate]))
  const went: number[] = []
  for (const id of universe.ids()) if (!wanted.delete(textOf(universe.candidate(id)))) went.push(id)
  return { went, came: [...wanted.values()] }
}

/** Its text: two packages of one version may differ in what they ask for. */
function textOf({ source, ordinal }: Candidate): string {
  return source === null ? '' : source.bytes.toString('latin1', source.offsets[ordinal], source.offsets[ordinal + 1])
}
