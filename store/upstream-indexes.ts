/** Index files of an upstream release, in memory, as a fork of it is made from them. */
import { runsSeenFromFork } from '../schemas/chain-position.ts'
import { curatedNames, curateIndex } from '../schemas/curate.ts'
import type { CuratedIndex, CuratedPart, Decision, ForkChanges, UpstreamPackage } from '../schemas/curate.ts'
import { stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { FreshetError } from '../schemas/errors.ts'
import { leadingName, readSlice, splitStanzas } from '../schemas/stanza.ts'
import { readIndex } from './snapshot-packages.ts'
import type { Snapshot, SnapshotIndex } from './snapshot.ts'

/** An index file of a fork. */
export interface CuratedFile {
  readonly path: string
  /** Its text, end to end: stretches of upstream's file and stanzas of the fork. */
  readonly texts: readonly Buffer[]
  readonly byteLength: number
  /** What of upstream and of the fork it consists of, and how many stanzas upstream's file has. */
  readonly parts: readonly CuratedPart[]
  readonly count: number
}

export class UpstreamIndex {
  readonly path: string
  /** As the fork sees them. */
  readonly runs: readonly Run[]
  readonly bytes: Buffer
  readonly offsets: Uint32Array
  /** Which stanzas begin with a name; '' for those that begin otherwise. Made when it is first asked for. */
  #byName: Map<string, number[]> | null = null

  private constructor(path: string, runs: readonly Run[], bytes: Buffer, offsets: Uint32Array) {
    this.path = path
    this.runs = runs
    this.bytes = bytes
    this.offsets = offsets
  }

  /** @throws FreshetError SNAPSHOT_MISMATCH, IO_ERROR; EVENT_INVALID when its publisher has cut it elsewhere than we do. */
  static async read(index: SnapshotIndex): Promise<UpstreamIndex> {
    const bytes = await readIndex(index)
    const offsets = splitStanzas(bytes)
    const { path, runs } = index
    if (offsets.length - 1 === stanzaCount(runs)) return new UpstreamIndex(path, runsSeenFromFork(runs), bytes, offsets)
    throw new FreshetError(
      'EVENT_INVALID',
      `${path} has ${offsets.length - 1} stanzas, and its runs ${stanzaCount(runs)}`,
    )
  }

  get count(): number {
    return this.offsets.length - 1
  }

  /** Stanzas of packages called one of `names`, in the order of the file. @throws FreshetError STANZA_*. */
  packages(names: ReadonlySet<string>): UpstreamPackage[] {
    this.#byName ??= this.#names()
    const candidates = ['', ...names].flatMap((name) => this.#byName?.get(name) ?? [])
    return candidates
      .sort((a, b) => a - b)
      .flatMap((index) => {
        const stanza = readSlice(this.bytes, this.offsets, index, this.path)
        return stanza !== null && names.has(stanza.name) ? [{ ...stanza, index }] : []
      })
  }

  /** What the fork has here. */
  curate(changes: ForkChanges): CuratedIndex {
    const isOpen = this.bytes.length > 0 && !this.bytes.subarray(-2).equals(BLANK_LINE)
    const names = curatedNames(changes)
    return curateIndex(this.path, this.packages(names), { count: this.count, isOpen }, changes)
  }

  textsOf(parts: readonly CuratedPart[]): Buffer[] {
    return parts.map((part) =>
      part.from === 'fork'
        ? part.packaged.text
        : this.bytes.subarray(this.offsets[part.first], this.offsets[part.first + part.count]),
    )
  }

  #names(): Map<string, number[]> {
    const found = new Map<string, number[]>()
    for (let index = 0; index < this.count; index++) {
      const name = leadingName(this.bytes, this.offsets[index], this.offsets[index + 1])?.trim() ?? ''
      const known = found.get(name)
      if (known === undefined) found.set(name, [index])
      else known.push(index)
    }
    return found
  }
}

const BLANK_LINE = Buffer.from('\n\n')

/** @throws as UpstreamIndex.read. */
export async function readUpstream({ indexes }: Pick<Snapshot, 'indexes'>): Promise<UpstreamIndex[]> {
  const read: UpstreamIndex[] = []
  for (const index of indexes) read.push(await UpstreamIndex.read(index))
  return read
}

/** What becomes of each package that `changes` are about. */
export function decideSnapshot(upstream: readonly UpstreamIndex[], changes: ForkChanges): Decision[] {
  return upstream.flatMap((index) => index.curate(changes).decisions)
}

/** The index files of a fork that makes `changes` to `upstream`. */
export function curateSnapshot(upstream: readonly UpstreamIndex[], changes: ForkChanges): CuratedFile[] {
  return upstream.map((index) => {
    const { parts } = index.curate(changes)
    const texts = index.textsOf(parts)
    const byteLength = texts.reduce((sum, text) => sum + text.byteLength, 0)
    return { path: index.path, texts, byteLength, parts, count: index.count }
  })
}
