/** Index files of an upstream release, in memory, as a fork of it is made from them. */
import { runsSeenFromFork } from '../schemas/chain-position.ts'
import { curatedNames, curateIndex } from '../schemas/curate.ts'
import type { CuratedIndex, CuratedPart, Decision, ForkChanges, UpstreamPackage } from '../schemas/curate.ts'
import type { BasisIndex, DraftIndex } from '../schemas/release-draft.ts'
import { leadingName, readSlice, splitStanzas } from '../schemas/stanza.ts'
import { readIndex } from './snapshot-packages.ts'
import type { Snapshot } from './snapshot.ts'

/** One index file, and how a release of a fork starts from it. */
export interface UpstreamIndex extends BasisIndex {
  readonly bytes: Buffer
  readonly offsets: Uint32Array
}

export interface CuratedSnapshot {
  readonly indexes: readonly DraftIndex[]
  readonly decisions: readonly Decision[]
}

/** @throws FreshetError SNAPSHOT_MISMATCH, IO_ERROR. */
export async function readUpstream({ indexes }: Pick<Snapshot, 'indexes'>): Promise<UpstreamIndex[]> {
  const read: UpstreamIndex[] = []
  for (const index of indexes) {
    const bytes = await readIndex(index)
    const offsets = splitStanzas(bytes)
    const stanzas = async function* (): AsyncGenerator<{ bytes: Buffer; offsets: Uint32Array }> {
      yield { bytes, offsets }
    }
    read.push({ path: index.path, runs: runsSeenFromFork(index.runs), bytes, offsets, stanzas })
  }
  return read
}

/** Stanzas of packages called one of `names`, in the order of the file. @throws FreshetError STANZA_*. */
export function upstreamPackages(
  { path, bytes, offsets }: Pick<UpstreamIndex, 'path' | 'bytes' | 'offsets'>,
  names: ReadonlySet<string>,
): UpstreamPackage[] {
  const found: UpstreamPackage[] = []
  if (names.size === 0) return found
  for (let index = 0; index < offsets.length - 1; index++) {
    const name = leadingName(bytes.subarray(offsets[index], offsets[index + 1]))
    if (name !== null && !names.has(name)) continue
    const stanza = readSlice(bytes, offsets, index, path)
    if (stanza !== null && names.has(stanza.name)) found.push({ ...stanza, index })
  }
  return found
}

/** What becomes of each package that `changes` are about. */
export function decideSnapshot(upstream: readonly UpstreamIndex[], changes: ForkChanges): Decision[] {
  return upstream.flatMap((index) => curate(index, changes).decisions)
}

/** The index files of a fork that makes `changes` to `upstream`. */
export function curateSnapshot(upstream: readonly UpstreamIndex[], changes: ForkChanges): CuratedSnapshot {
  const decisions: Decision[] = []
  const indexes = upstream.map((index) => {
    const curated = curate(index, changes)
    decisions.push(...curated.decisions)
    return { path: index.path, bytes: textOf(index, curated.parts) }
  })
  return { indexes, decisions }
}

function curate(index: UpstreamIndex, changes: ForkChanges): CuratedIndex {
  const file = { count: index.offsets.length - 1, isOpen: !endsWithBlankLine(index.bytes) }
  return curateIndex(index.path, upstreamPackages(index, curatedNames(changes)), file, changes)
}

/** Whether another stanza can follow: an empty file needs no blank line for that. */
function endsWithBlankLine(bytes: Buffer): boolean {
  return bytes.length === 0 || bytes.subarray(-2).equals(Buffer.from('\n\n'))
}

function textOf({ bytes, offsets }: UpstreamIndex, parts: readonly CuratedPart[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      part.from === 'fork' ? part.packaged.text : bytes.subarray(offsets[part.first], offsets[part.first + part.count]),
    ),
  )
}
