/**
 * What a release changes, package by package, found in the log alone: from edit scripts and the stanzas that they insert.
 *
 * Must give what store/compose-release.ts (changesOf) gave the publisher, in the same order, because the look-up index is
 * made from it. There, stanzas are the same when their text is; here, when they stand at the same place: a log has each text
 * of two neighbouring releases once. Work is in proportion to the change; kept is a record of each stanza of the newest release.
 */
import type { EditOp, Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { IndexFile } from '../../schemas/events.ts'
import { STANZAS_PER_BLOCK_MAX } from '../../schemas/limits.ts'
import { isBlankSlice, readPackageStanza } from '../../schemas/stanza.ts'
import type { PackageStanza } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { AddedPackage, IndexChanges } from '../package-index.ts'
import type { PlannedIndex } from '../release-block.ts'
import type { StanzaBlock } from '../stanza-block.ts'
import type { StanzaCache } from './stanza-cache.ts'

interface Place extends AddedPackage {
  readonly byteLength: number
}

interface Held {
  /** Null: blank lines, the only slice of an index without stanzas. */
  readonly item: Place | null
  /** How often the indexes have it. */
  count: number
}

export interface PlacedChanges extends IndexChanges {
  readonly added: readonly Place[]
}

export class PlacedPackages {
  readonly #stanzas: StanzaCache
  /** By block and ordinal in one number. */
  readonly #held = new Map<number, Held>()
  /** How many places of the newest release have this package, and this artifact. */
  readonly #packages = new Map<string, number>()
  readonly #artifacts = new Map<DigestHex, number>()

  constructor(stanzas: StanzaCache) {
    this.#stanzas = stanzas
  }

  has(digest: DigestHex): boolean {
    return this.#artifacts.has(digest)
  }

  /** Name of the package that stands there in the newest release; '': blank lines; undefined: nothing of that place. */
  nameAt(block: number, ordinal: number): string | undefined {
    const held = this.#held.get(block * STANZAS_PER_BLOCK_MAX + ordinal)
    return held === undefined ? undefined : (held.item?.name ?? '')
  }

  get artifacts(): IterableIterator<DigestHex> {
    return this.#artifacts.keys()
  }

  /**
   * Goes on by one release.
   * @param before indexes of the release before, with their runs.
   * @throws FreshetError STANZA_*, FILENAME_UNSAFE with `block` and `ordinal`; EVENT_INVALID when the log does not have a stanza.
   */
  async advance(before: readonly PlannedIndex[], after: readonly IndexFile[]): Promise<PlacedChanges> {
    const countsBefore = new Map<number, number>()
    const change = (key: number, by: number): void => {
      const held = this.#held.get(key) as Held
      if (!countsBefore.has(key)) countsBefore.set(key, held.count)
      held.count += by
    }
    for (const run of droppedRuns(before, after)) for (const key of keysOf(run)) change(key, -1)
    const inserted = after.flatMap(({ script }) => script.filter((op) => op.op === 'insert'))
    for await (const { run, stanzas } of this.#stanzas.inOrder(inserted)) {
      for (const key of keysOf(run)) {
        if (!this.#held.has(key)) this.#held.set(key, { item: readPlace(stanzas, run.block, key), count: 0 })
        change(key, 1)
      }
    }
    return this.#settle(countsBefore)
  }

  /** In the order of the first drop and the first insert, which is that of the indexes before and after. */
  #settle(countsBefore: ReadonlyMap<number, number>): PlacedChanges {
    const came: Place[] = []
    const went: Place[] = []
    for (const [key, countBefore] of countsBefore) {
      const { item, count } = this.#held.get(key) as Held
      if (count === 0) this.#held.delete(key)
      if (item === null) continue
      if (countBefore > 0 && count === 0) went.push(item)
      if (countBefore === 0 && count > 0) came.push(item)
    }
    for (const item of went) this.#count(item, -1)
    // Of a package that has another stanza in both releases nothing went.
    const removed = went.filter((item) => !this.#packages.has(identityOf(item)))
    for (const item of came) this.#count(item, 1)
    return { added: came, removed }
  }

  #count(item: Place, by: number): void {
    add(this.#packages, identityOf(item), by)
    add(this.#artifacts, item.digest, by)
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

/** Of indexes that go on, what their script drops; of those that end, everything. */
function* droppedRuns(before: readonly PlannedIndex[], after: readonly IndexFile[]): Generator<Run> {
  const scripts = new Map(after.map(({ path, script }) => [path, script]))
  for (const { path, runs } of before) yield* droppedOf(runs, scripts.get(path) ?? null)
}

function* droppedOf(runs: readonly Run[], script: readonly EditOp[] | null): Generator<Run> {
  if (script === null) return yield* runs
  let [at, used] = [0, 0]
  for (const op of script) {
    if (op.op === 'insert') continue
    for (let left = op.count; left > 0;) {
      const { block, first, count } = runs[at] as Run // the script fits: it was applied
      const taken = Math.min(left, count - used)
      if (op.op === 'drop') yield { block, first: first + used, count: taken }
      left -= taken
      used += taken
      if (used < count) continue
      at++
      used = 0
    }
  }
}

function* keysOf({ block, first, count }: Run): Generator<number> {
  for (let ordinal = first; ordinal < first + count; ordinal++) yield block * STANZAS_PER_BLOCK_MAX + ordinal
}

function readPlace({ text, offsets }: StanzaBlock, block: number, key: number): Place | null {
  const ordinal = key % STANZAS_PER_BLOCK_MAX
  const [from, to] = [offsets[ordinal] as number, offsets[ordinal + 1] as number]
  if (isBlankSlice(text.subarray(from, to))) return null
  const { name, version, architecture, digest, byteLength } = readStanza(text, from, to, block, ordinal)
  return { name, version, architecture, digest, byteLength, block, ordinal }
}

function readStanza(text: Buffer, from: number, to: number, block: number, ordinal: number): PackageStanza {
  try {
    return readPackageStanza(text, from, to, 'a stanza')
  } catch (error) {
    if (!(error instanceof FreshetError)) throw error
    throw new FreshetError(
      error.code,
      `stanza ${ordinal} of block ${block}: ${error.message}`,
      { block, ordinal },
      error,
    )
  }
}

function identityOf({ name, version, architecture }: Place): string {
  return `${name} ${version} ${architecture}`
}
