/**
 * The Hyperbee index of a channel: look-ups in any release without folding the log.
 *
 *   'n' name ' ' version ' ' architecture → where the stanza is, and the ranges of releases that held it
 *   'h' first 14 bits of a SHA-256        → artifacts of that bucket: digest, where its stanza is
 *   'r' number (u32 big-endian)           → position and time of that release
 *   't' time in ms (u48 big-endian)       → number of the release published then
 *
 * Written by the publisher in the same atom as the release that binds it (its length and tree hash stand in the release
 * block). Derived: an auditor rebuilds it from the log and compares. Artifacts go by bucket because a put costs some 130 bytes
 * and 40 microseconds whatever it holds: one key per digest would double the time of a first import.
 */
import type Hypercore from 'hypercore'
import Hyperbee from 'hyperbee'
import { decodeRecord, encodeRecord, fixed32, list, struct, uint } from '../schemas/codec.ts'
import type { Infer } from '../schemas/codec.ts'
import type { Release } from '../schemas/events.ts'
import { INDEX_BUCKET_MAX, INDEX_RANGES_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'

/** Stanza `ordinal` of log block `block`. */
const place = { block: uint, ordinal: uint }
/** Releases first..last; last 0: still there. */
const range = struct({ first: uint, last: uint })
const version = struct({ version: uint, ...place, ranges: list(range, INDEX_RANGES_MAX) })
const bucket = struct({ version: uint, artifacts: list(struct({ digest: fixed32, ...place }), INDEX_BUCKET_MAX) })
const releaseEntry = struct({ version: uint, block: uint, publishedAtMs: uint })
const timeEntry = struct({ version: uint, number: uint })
const VERSION = 1

export type VersionEntry = Infer<typeof version>

export interface IndexedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
}
export interface AddedPackage extends IndexedPackage {
  readonly digest: DigestHex
  readonly block: number
  readonly ordinal: number
}
export interface RemovedPackage extends IndexedPackage {
  readonly digest: DigestHex
}
/** A package whose stanza changed but not its version (a new Section, say) stands in both lists. */
export interface IndexChanges {
  readonly added: readonly AddedPackage[]
  readonly removed: readonly RemovedPackage[]
}

export class PackageIndex {
  readonly #bee: Hyperbee

  private constructor(bee: Hyperbee) {
    this.#bee = bee
  }

  /** A view over `core`; closing the core is the caller's. */
  static over(core: Hypercore): PackageIndex {
    return new PackageIndex(new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' }))
  }

  /** One batch for one release. `block` is where the release block will stand. */
  async update(
    release: Pick<Release, 'number' | 'publishedAtMs'>,
    block: number,
    changes: IndexChanges,
  ): Promise<void> {
    await this.#bee.ready()
    const batch = this.#bee.batch()
    const read = async (key: Buffer): Promise<Buffer | null> => (await batch.get(key))?.value ?? null
    const fresh = release.number === 1 // nothing to read in an empty tree: saves a third of a first import
    for (const gone of changes.removed) {
      const key = nameKey(gone)
      const entry = await read(key)
      if (entry !== null)
        await batch.put(key, encodeRecord(version, closeRange(decodeRecord(version, entry), release.number)))
    }
    for (const added of inKeyOrder(changes.added)) {
      const key = nameKey(added)
      const entry = fresh ? null : await read(key)
      await batch.put(
        key,
        encodeRecord(version, openRange(entry && decodeRecord(version, entry), added, release.number)),
      )
    }
    for (const [prefix, artifacts] of byBucket(changes.added)) {
      const key = bucketKey(prefix)
      const entry = fresh ? null : await read(key)
      const known = entry === null ? [] : decodeRecord(bucket, entry).artifacts
      await batch.put(key, encodeRecord(bucket, { version: VERSION, artifacts: mergeBucket(known, artifacts) }))
    }
    const { number, publishedAtMs } = release
    await batch.put(numberKey(number), encodeRecord(releaseEntry, { version: VERSION, block, publishedAtMs }))
    await batch.put(timeKey(publishedAtMs), encodeRecord(timeEntry, { version: VERSION, number }))
    await batch.flush()
  }

  /** Every version of `name` that any release held. */
  async versions(name: string): Promise<(IndexedPackage & VersionEntry)[]> {
    const found: (IndexedPackage & VersionEntry)[] = []
    const prefix = Buffer.from(`n${name} `)
    const end = Buffer.concat([prefix.subarray(0, -1), Buffer.of(0x21)])
    for await (const { key, value } of this.#bee.createReadStream({ gte: prefix, lt: end })) {
      const [, versionText = '', architecture = ''] = key.toString().slice(1).split(' ')
      found.push({ name, architecture, ...decodeRecord(version, value), version: versionText } as never)
    }
    return found
  }

  /** Where the stanza of an artifact stands, in whichever release first had it. */
  async artifact(digest: DigestHex): Promise<{ block: number; ordinal: number } | null> {
    const wanted = Buffer.from(digest, 'hex')
    const entry = await this.#bee.get(bucketKey(bucketOf(wanted)))
    if (entry === null) return null
    return decodeRecord(bucket, entry.value).artifacts.find((artifact) => artifact.digest.equals(wanted)) ?? null
  }

  async release(number: number): Promise<{ block: number; publishedAtMs: number } | null> {
    const entry = await this.#bee.get(numberKey(number))
    return entry === null ? null : decodeRecord(releaseEntry, entry.value)
  }
}

function nameKey({ name, version: text, architecture }: IndexedPackage): Buffer {
  return Buffer.from(`n${name} ${text} ${architecture}`)
}

function bucketOf(digest: Uint8Array): number {
  return ((digest[0] ?? 0) << 6) | ((digest[1] ?? 0) >> 2)
}

function bucketKey(prefix: number): Buffer {
  return Buffer.of(0x68, prefix >> 8, prefix & 0xff)
}

function numberKey(number: number): Buffer {
  const key = Buffer.from('r0000')
  key.writeUInt32BE(number, 1)
  return key
}

function timeKey(atMs: number): Buffer {
  const key = Buffer.from('t000000')
  key.writeUIntBE(atMs, 1, 6)
  return key
}

function closeRange(entry: VersionEntry, number: number): VersionEntry {
  return { ...entry, ranges: entry.ranges.map((open) => (open.last === 0 ? { ...open, last: number - 1 } : open)) }
}

function openRange(entry: VersionEntry | null, added: AddedPackage, number: number): VersionEntry {
  const ranges = entry?.ranges ?? []
  const { block, ordinal } = added
  const last = ranges.at(-1)
  // Closed a moment ago by this same release: the stanza changed, the version did not leave.
  if (last !== undefined && last.last === number - 1 && last.last >= last.first) {
    return { version: VERSION, block, ordinal, ranges: [...ranges.slice(0, -1), { first: last.first, last: 0 }] }
  }
  return { version: VERSION, block, ordinal, ranges: [...ranges, { first: number, last: 0 }] }
}

/** Ascending puts touch the same tree nodes: a third faster than random ones. */
function inKeyOrder(added: readonly AddedPackage[]): AddedPackage[] {
  const keyed = added.map((item) => ({ key: nameKey(item), item }))
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ item }) => item)
}

type BucketItem = Infer<typeof bucket>['artifacts'][number]

function byBucket(added: readonly AddedPackage[]): [number, BucketItem[]][] {
  const buckets = new Map<number, BucketItem[]>()
  for (const { digest: hex, block, ordinal } of added) {
    const digest = Buffer.from(hex, 'hex')
    const prefix = bucketOf(digest)
    const items = buckets.get(prefix)
    if (items === undefined) buckets.set(prefix, [{ digest, block, ordinal }])
    else items.push({ digest, block, ordinal })
  }
  return [...buckets].sort(([a], [b]) => a - b)
}

function mergeBucket(known: readonly BucketItem[], added: readonly BucketItem[]): BucketItem[] {
  const merged = new Map(known.map((item) => [item.digest.toString('hex'), item]))
  for (const item of added) if (!merged.has(item.digest.toString('hex'))) merged.set(item.digest.toString('hex'), item)
  return [...merged.values()]
}
