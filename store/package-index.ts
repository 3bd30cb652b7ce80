/**
 * The Hyperbee index of a channel: look-ups in any release without folding the log.
 *
 *   'n' 14 bits of a hash of the name          → packages of that bucket that the newest release holds
 *   'x' name ' ' version ' ' architecture      → the ranges of releases that held it, once it has left
 *   'h' first 14 bits of a SHA-256             → artifacts of that bucket: digest, where its stanza is
 *   'r' number (u32 big-endian)                → position and time of that release
 *   't' time in ms (u48 big-endian)            → number of the release published then
 *
 * Written by the publisher in the same atom as the release that binds it (its length and tree hash stand in the release
 * block). Derived: an auditor rebuilds it from the log and compares. What lives goes by bucket because a put costs some 130
 * bytes and 40 microseconds whatever it holds: a key for each of 63,440 packages made the index the slowest part of a first
 * import. What has left goes by name, so that buckets stay small however long the history.
 */
import { createHash } from 'node:crypto'
import type Hypercore from 'hypercore'
import Hyperbee from 'hyperbee'
import { decodeRecord, encodeRecord, fixed32, list, struct, text, uint } from '../schemas/codec.ts'
import type { Codec, Infer } from '../schemas/codec.ts'
import type { Release } from '../schemas/events.ts'
import { INDEX_BUCKET_MAX, INDEX_RANGES_MAX, PACKAGE_NAME_BYTES_MAX, VERSION_BYTES_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'

/** Stanza `ordinal` of log block `block`. */
const place = { block: uint, ordinal: uint }
/** Releases first..last. */
const range = struct({ first: uint, last: uint })
const living = struct({
  name: text(PACKAGE_NAME_BYTES_MAX),
  version: text(VERSION_BYTES_MAX),
  architecture: text(64),
  ...place,
  /** Release since which it has been there without a gap. */
  first: uint,
})
const nameBucket = struct({ version: uint, packages: list(living, INDEX_BUCKET_MAX) })
const past = struct({ version: uint, ...place, ranges: list(range, INDEX_RANGES_MAX) })
const artifactBucket = struct({
  version: uint,
  artifacts: list(struct({ digest: fixed32, ...place }), INDEX_BUCKET_MAX),
})
const releaseEntry = struct({ version: uint, block: uint, publishedAtMs: uint })
const timeEntry = struct({ version: uint, number: uint })
const VERSION = 1

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

/** One version of a package, over all releases. */
export interface VersionHistory extends IndexedPackage {
  readonly block: number
  readonly ordinal: number
  /** Releases that held it, ascending; last 0: the newest release does. */
  readonly ranges: readonly { readonly first: number; readonly last: number }[]
}

type Living = Infer<typeof living>
type ArtifactItem = Infer<typeof artifactBucket>['artifacts'][number]

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
    const fresh = release.number === 1 // nothing to read in an empty tree
    const read = async <T>(codec: Codec<T>, key: Buffer): Promise<T | null> => {
      const entry = fresh ? null : await batch.get(key)
      return entry === null ? null : decodeRecord(codec, entry.value)
    }
    const { number, publishedAtMs } = release
    for (const [bucket, { added, removed }] of changesByBucket(changes)) {
      const before = (await read(nameBucket, nameKey(bucket)))?.packages ?? []
      const { packages, left } = applyToBucket(before, added, removed, number)
      await batch.put(nameKey(bucket), encodeRecord(nameBucket, { version: VERSION, packages }))
      for (const gone of left) {
        const ranges = [...((await read(past, pastKey(gone)))?.ranges ?? []), { first: gone.first, last: number - 1 }]
        const { block, ordinal } = gone
        await batch.put(pastKey(gone), encodeRecord(past, { version: VERSION, block, ordinal, ranges }))
      }
    }
    for (const [bucket, added] of artifactsByBucket(changes.added)) {
      const known = (await read(artifactBucket, artifactKey(bucket)))?.artifacts ?? []
      const artifacts = mergeArtifacts(known, added)
      await batch.put(artifactKey(bucket), encodeRecord(artifactBucket, { version: VERSION, artifacts }))
    }
    await batch.put(numberKey(number), encodeRecord(releaseEntry, { version: VERSION, block, publishedAtMs }))
    await batch.put(timeKey(publishedAtMs), encodeRecord(timeEntry, { version: VERSION, number }))
    await batch.flush()
  }

  /** Every version of `name` that any release held, those that are still there first. */
  async versions(name: string): Promise<VersionHistory[]> {
    const entry = await this.#bee.get(nameKey(bucketOfName(name)))
    const packages = entry === null ? [] : decodeRecord(nameBucket, entry.value).packages
    const found = new Map<string, VersionHistory>()
    for (const { first, ...held } of packages) {
      if (held.name === name) found.set(identityOf(held), { ...held, ranges: [{ first, last: 0 }] })
    }
    for await (const { key, value } of this.#bee.createReadStream(pastRange(name))) {
      const [, version = '', architecture = ''] = key.toString('utf8', 1).split(' ')
      const { block, ordinal, ranges } = decodeRecord(past, value)
      const gone = { name, version, architecture, block, ordinal, ranges }
      const back = found.get(identityOf(gone))
      found.set(identityOf(gone), back === undefined ? gone : { ...back, ranges: [...ranges, ...back.ranges] })
    }
    return [...found.values()]
  }

  /** Where the stanza of an artifact stands, in whichever release first had it. */
  async artifact(digest: DigestHex): Promise<{ block: number; ordinal: number } | null> {
    const wanted = Buffer.from(digest, 'hex')
    const entry = await this.#bee.get(artifactKey(bucketOf(wanted)))
    if (entry === null) return null
    return decodeRecord(artifactBucket, entry.value).artifacts.find(({ digest }) => digest.equals(wanted)) ?? null
  }

  async release(number: number): Promise<{ block: number; publishedAtMs: number } | null> {
    const entry = await this.#bee.get(numberKey(number))
    return entry === null ? null : decodeRecord(releaseEntry, entry.value)
  }
}

/** @returns the bucket after a release, and what left it. */
function applyToBucket(
  before: readonly Living[],
  added: readonly AddedPackage[],
  removed: readonly RemovedPackage[],
  number: number,
): { packages: Living[]; left: Living[] } {
  const packages = new Map(before.map((item) => [identityOf(item), item]))
  const gone = new Map<string, Living>()
  for (const item of removed) {
    const identity = identityOf(item)
    const held = packages.get(identity)
    if (held !== undefined) gone.set(identity, held)
    packages.delete(identity)
  }
  for (const { name, version, architecture, block, ordinal } of added) {
    const identity = identityOf({ name, version, architecture })
    // Gone a line above, or still there through another index: the stanza changed, the version did not leave.
    const first = (gone.get(identity) ?? packages.get(identity))?.first ?? number
    gone.delete(identity)
    packages.set(identity, { name, version, architecture, block, ordinal, first })
  }
  return { packages: [...packages.values()], left: [...gone.values()] }
}

function identityOf({ name, version, architecture }: IndexedPackage): string {
  return `${name} ${version} ${architecture}`
}

function bucketOf(digest: Uint8Array): number {
  return ((digest[0] ?? 0) << 6) | ((digest[1] ?? 0) >> 2)
}

function bucketOfName(name: string): number {
  return bucketOf(createHash('sha256').update(name).digest())
}

function nameKey(bucket: number): Buffer {
  return Buffer.of(0x6e, bucket >> 8, bucket & 0xff)
}

function artifactKey(bucket: number): Buffer {
  return Buffer.of(0x68, bucket >> 8, bucket & 0xff)
}

function pastKey(item: IndexedPackage): Buffer {
  return Buffer.from(`x${identityOf(item)}`)
}

/** Every key of `name`: the blank ends it, and '!' is the byte after the blank. */
function pastRange(name: string): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from(`x${name} `), lt: Buffer.from(`x${name}!`) }
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

/** Ascending: puts in key order touch the same tree nodes. */
function changesByBucket({
  added,
  removed,
}: IndexChanges): [number, { added: AddedPackage[]; removed: RemovedPackage[] }][] {
  const buckets = new Map<number, { added: AddedPackage[]; removed: RemovedPackage[] }>()
  const at = (name: string): { added: AddedPackage[]; removed: RemovedPackage[] } => {
    const bucket = bucketOfName(name)
    const known = buckets.get(bucket) ?? { added: [], removed: [] }
    buckets.set(bucket, known)
    return known
  }
  for (const item of added) at(item.name).added.push(item)
  for (const item of removed) at(item.name).removed.push(item)
  return [...buckets].sort(([a], [b]) => a - b)
}

function artifactsByBucket(added: readonly AddedPackage[]): [number, ArtifactItem[]][] {
  const buckets = new Map<number, ArtifactItem[]>()
  for (const { digest: hex, block, ordinal } of added) {
    const digest = Buffer.from(hex, 'hex')
    const bucket = bucketOf(digest)
    const items = buckets.get(bucket) ?? []
    buckets.set(bucket, items)
    items.push({ digest, block, ordinal })
  }
  return [...buckets].sort(([a], [b]) => a - b)
}

function mergeArtifacts(known: readonly ArtifactItem[], added: readonly ArtifactItem[]): ArtifactItem[] {
  const merged = new Map(known.map((item) => [item.digest.toString('hex'), item]))
  for (const item of added) {
    const digest = item.digest.toString('hex')
    if (!merged.has(digest)) merged.set(digest, item)
  }
  return [...merged.values()]
}
