/**
 * The Hyperbee index of a channel: look-ups in any release without rebuilding it.
 *
 *   'n' 14 bits of a hash of the name          → packages of that bucket that the newest release holds
 *   'x' name ' ' version ' ' architecture      → the spans of releases that held it, once it has left or its stanza changed
 *   'h' first 14 bits of a SHA-256             → artifacts of that bucket: digest, where its stanza is
 *   'a' first 16 bytes of a SHA-256            → the same for one artifact
 *
 * Written by the publisher in the same atom as the release that binds it (its length and tree hash stand in the release
 * block). Derived: an auditor rebuilds it from the log and compares. What lives goes by bucket because a put costs some 130
 * bytes and 40 microseconds whatever it holds: a key for each of 63,440 packages made the index the slowest part of a first
 * import. What has left goes by name, and artifacts of later releases each have their own key, so that buckets stay small
 * and a release costs the same however long the history.
 */
import { createHash } from 'node:crypto'
import type Hypercore from 'hypercore'
import Hyperbee from 'hyperbee'
import type { BeeBatch } from 'hyperbee'
import { Header } from 'hyperbee/lib/messages.js'
import { decodeRecord, encodeRecord, fixed32, list, struct, text, uint } from '../schemas/codec.ts'
import type { Codec, Infer } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import {
  INDEX_BUCKET_MAX,
  INDEX_BULK_MIN,
  INDEX_SPANS_MAX,
  INDEX_VERSIONS_MAX,
  PACKAGE_NAME_BYTES_MAX,
  VERSION_BYTES_MAX,
} from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import { BeeReader } from './bee-reader.ts'
import { readTogether } from './read-together.ts'

/** Stanza `ordinal` of log block `block`. */
const place = { block: uint, ordinal: uint }
/** One stanza, in releases first..last. */
const span = struct({ ...place, first: uint, last: uint })
const living = struct({
  name: text(PACKAGE_NAME_BYTES_MAX),
  version: text(VERSION_BYTES_MAX),
  architecture: text(64),
  ...place,
  /** Release since which this very stanza has been there without a gap. */
  first: uint,
})
const nameBucket = struct({ version: uint, packages: list(living, INDEX_BUCKET_MAX) })
const past = struct({ version: uint, spans: list(span, INDEX_SPANS_MAX) })
const artifactItem = struct({ digest: fixed32, ...place })
const artifactBucket = struct({ version: uint, artifacts: list(artifactItem, INDEX_BUCKET_MAX) })
const artifactEntry = struct({ version: uint, ...place })
const VERSION = 1
/** Look-ups that share each reading of the disk (read-together.ts): all of a usual release. */
const LOOK_UPS_AT_ONCE = 512
/** Buckets in memory at a time, of a release that changes everything. */
const BUCKETS_AT_ONCE = 1024
/** Block 0 of every Hyperbee. */
const BEE_HEADER = Header.encode({ protocol: 'hyperbee', metadata: null })

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

/** Where a version's stanza stood, and in which releases. */
export interface StanzaSpan {
  readonly block: number
  readonly ordinal: number
  readonly first: number
  /** 0: the release as of which the index is read. */
  readonly last: number
}

/** One version of a package, over all releases. */
export interface VersionHistory extends IndexedPackage {
  /** Ascending, without overlaps; neighbours where only the stanza changed. */
  readonly spans: readonly StanzaSpan[]
}

/** The tree as it was before. */
type Known = Pick<BeeBatch, 'get'>
const EMPTY: Known = { get: async () => null }

/** Changes of the packages of one bucket. */
interface Bucket {
  readonly added: AddedPackage[]
  readonly removed: RemovedPackage[]
}

type Living = Infer<typeof living>
type ArtifactItem = Infer<typeof artifactItem>
type Span = Infer<typeof span>

/** Look-ups, as of one length of the index; `update` writes it. */
export class PackageIndex {
  readonly #bee: BeeReader

  private constructor(bee: BeeReader) {
    this.#bee = bee
  }

  /** A view over `core`; closing the core is the caller's. */
  static at(core: Hypercore, length: number): PackageIndex {
    return new PackageIndex(new BeeReader(core, length))
  }

  /** Writes what one release changes, as one batch. */
  static async update(core: Hypercore, number: number, changes: IndexChanges): Promise<void> {
    await PackageIndex.write(await openIndexTree(core), number, changes)
  }

  /** The same for who writes many releases: a tree keeps the nodes that it has read. */
  static async write(tree: Hyperbee, number: number, changes: IndexChanges): Promise<void> {
    const batch = tree.batch({ update: false })
    const known = number === 1 ? EMPTY : batch // nothing to read in an empty tree
    for (const buckets of groupsOf(changesByBucket(changes), BUCKETS_AT_ONCE)) {
      await writeBuckets(batch, known, number, buckets)
    }
    if (changes.added.length < INDEX_BULK_MIN) await writeArtifacts(batch, known, changes.added)
    else {
      for (const buckets of groupsOf(artifactsByBucket(changes.added), BUCKETS_AT_ONCE)) {
        await writeArtifactBuckets(batch, known, buckets)
      }
    }
    await batch.flush()
  }

  /** Every version of `name` that any release held. @throws FreshetError INDEX_INVALID, NO_PEERS. */
  async versions(name: string): Promise<VersionHistory[]> {
    const [gone, held] = await Promise.all([this.#gone(name), this.#living(name)])
    const found = new Map<string, { item: IndexedPackage; spans: StanzaSpan[] }>()
    for (const { item, spans } of gone) found.set(identityOf(item), { item, spans: [...spans] })
    for (const { name, version, architecture, block, ordinal, first } of held) {
      const item = { name, version, architecture }
      const known = found.get(identityOf(item)) ?? { item, spans: [] }
      found.set(identityOf(item), known)
      known.spans.push({ block, ordinal, first, last: 0 })
    }
    return [...found.values()].map(({ item, spans }) => ({ ...item, spans }))
  }

  /** Where a stanza of an artifact stands, whether or not the newest release has it. @throws FreshetError INDEX_INVALID, NO_PEERS. */
  async artifact(digest: DigestHex): Promise<{ block: number; ordinal: number } | null> {
    const wanted = Buffer.from(digest, 'hex')
    const own = await this.#bee.get(artifactKey(wanted))
    if (own !== null) return decodeEntry(artifactEntry, own.value)
    const bucket = await this.#bee.get(artifactBucketKey(bucketOf(wanted)))
    if (bucket === null) return null
    return decodeEntry(artifactBucket, bucket.value).artifacts.find((item) => item.digest.equals(wanted)) ?? null
  }

  async #living(name: string): Promise<readonly Living[]> {
    const entry = await this.#bee.get(nameKey(bucketOfName(name)))
    return entry === null ? [] : decodeEntry(nameBucket, entry.value).packages.filter((item) => item.name === name)
  }

  async #gone(name: string): Promise<Ended[]> {
    const found: Ended[] = []
    const { gte, lt } = pastRange(name)
    for await (const { key, value } of this.#bee.range(gte, lt)) {
      if (found.length >= INDEX_VERSIONS_MAX) {
        throw new FreshetError('INDEX_INVALID', `the index has more than ${INDEX_VERSIONS_MAX} versions of ${name}`)
      }
      const [, version = '', architecture = ''] = key.toString('utf8', 1).split(' ')
      found.push({ item: { name, version, architecture }, spans: decodeEntry(past, value).spans })
    }
    return found
  }
}

export async function openIndexTree(core: Hypercore): Promise<Hyperbee> {
  readTogether(core)
  const tree = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' })
  await tree.ready()
  if (core.length === 0) await core.append([BEE_HEADER]) // Hyperbee writes it only where this node has the key itself
  return tree
}

/** A key of the index as people can read it. */
export function describeIndexKey(key: Buffer): string {
  const rest = key.subarray(1)
  if (key[0] === 0x78) return `the past of ${rest.toString('latin1').replace(/[^\x20-\x7e]/g, '?')}`
  if (key[0] === 0x61) return `the artifact ${rest.toString('hex')}...`
  return `bucket ${rest.toString('hex')} of the ${key[0] === 0x6e ? 'packages' : key[0] === 0x68 ? 'artifacts' : 'unknown kind'}`
}

/** What living packages become, and what that says of the past; everything is read before anything is put. */
async function writeBuckets(
  batch: BeeBatch,
  known: Known,
  number: number,
  buckets: readonly [number, Bucket][],
): Promise<void> {
  const keys = buckets.map(([bucket]) => nameKey(bucket))
  const before = await readEach(known, nameBucket, keys)
  const after = buckets.map(([, { added, removed }], i) =>
    applyToBucket(before[i]?.packages ?? [], added, removed, number),
  )
  const pastKeys = after.flatMap(({ ended }) => ended.map(({ item }) => pastKey(item)))
  const pasts = (await readEach(known, past, pastKeys)).values()
  for (const [i, { packages, ended }] of after.entries()) {
    await batch.put(keys[i] as Buffer, encodeRecord(nameBucket, { version: VERSION, packages }))
    for (const { item, spans } of ended) {
      const earlier = pasts.next().value?.spans ?? []
      await batch.put(pastKey(item), encodeRecord(past, { version: VERSION, spans: [...earlier, ...spans] }))
    }
  }
}

async function writeArtifactBuckets(
  batch: BeeBatch,
  known: Known,
  buckets: readonly [number, ArtifactItem[]][],
): Promise<void> {
  const keys = buckets.map(([bucket]) => artifactBucketKey(bucket))
  const before = await readEach(known, artifactBucket, keys)
  for (const [i, [, added]] of buckets.entries()) {
    const artifacts = mergeArtifacts(before[i]?.artifacts ?? [], added)
    await batch.put(keys[i] as Buffer, encodeRecord(artifactBucket, { version: VERSION, artifacts }))
  }
}

async function writeArtifacts(batch: BeeBatch, known: Known, added: readonly AddedPackage[]): Promise<void> {
  const items = mergeArtifacts([], added.map(artifactOf))
  const keys = items.map(({ digest }) => artifactKey(digest))
  const before = await readEach(known, artifactEntry, keys)
  for (const [i, { block, ordinal }] of items.entries()) {
    if (before[i] !== null) continue // the stanza that first had it stays
    await batch.put(keys[i] as Buffer, encodeRecord(artifactEntry, { version: VERSION, block, ordinal }))
  }
}

/** The records of `keys`, in their order, looked up at once; null where there is none. */
async function readEach<T>(known: Known, codec: Codec<T>, keys: readonly Buffer[]): Promise<(T | null)[]> {
  const found: (T | null)[] = []
  for (const group of groupsOf(keys, LOOK_UPS_AT_ONCE)) {
    for (const entry of await Promise.all(group.map((key) => known.get(key)))) {
      found.push(entry === null ? null : decodeRecord(codec, entry.value))
    }
  }
  return found
}

function* groupsOf<T>(items: readonly T[], length: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += length) yield items.slice(at, at + length)
}

/** Spans that have ended; several stanzas of one version end in order. */
interface Ended {
  readonly item: IndexedPackage
  readonly spans: readonly Span[]
}

/** @returns the bucket after a release, and the spans that ended with the one before. */
function applyToBucket(
  before: readonly Living[],
  added: readonly AddedPackage[],
  removed: readonly RemovedPackage[],
  number: number,
): { packages: Living[]; ended: Ended[] } {
  const packages = new Map(before.map((item) => [identityOf(item), item]))
  const gone = new Map<string, Living>()
  const end = (identity: string): void => {
    const held = packages.get(identity)
    if (held !== undefined && held.first < number) gone.set(identity, held)
    packages.delete(identity)
  }
  for (const item of removed) end(identityOf(item))
  for (const { name, version, architecture, block, ordinal } of added) {
    const identity = identityOf({ name, version, architecture })
    end(identity) // still there: the stanza changed, the version did not leave
    packages.set(identity, { name, version, architecture, block, ordinal, first: number })
  }
  const ended = [...gone.values()].map(({ block, ordinal, first, ...item }) => ({
    item,
    spans: [{ block, ordinal, first, last: number - 1 }],
  }))
  return { packages: [...packages.values()], ended }
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

function artifactBucketKey(bucket: number): Buffer {
  return Buffer.of(0x68, bucket >> 8, bucket & 0xff)
}

function artifactKey(digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from('a'), digest.subarray(0, 16)])
}

function pastKey(item: IndexedPackage): Buffer {
  return Buffer.from(`x${identityOf(item)}`)
}

/** Every key of `name`: the blank ends it, and '!' is the byte after the blank. */
function pastRange(name: string): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from(`x${name} `), lt: Buffer.from(`x${name}!`) }
}

/** What stands in an index was written by somebody else. */
function decodeEntry<T>(codec: Codec<T>, value: Buffer): T {
  try {
    return decodeRecord(codec, value)
  } catch (error) {
    throw new FreshetError('INDEX_INVALID', 'an entry of the index of the channel cannot be decoded', {}, error)
  }
}

/** Ascending: puts in key order touch the same tree nodes. */
function changesByBucket({ added, removed }: IndexChanges): [number, Bucket][] {
  const buckets = new Map<number, Bucket>()
  const at = (name: string): Bucket => {
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
  for (const item of added.map(artifactOf)) {
    const bucket = bucketOf(item.digest)
    const items = buckets.get(bucket) ?? []
    buckets.set(bucket, items)
    items.push(item)
  }
  return [...buckets].sort(([a], [b]) => a - b)
}

function artifactOf({ digest, block, ordinal }: AddedPackage): ArtifactItem {
  return { digest: Buffer.from(digest, 'hex'), block, ordinal }
}

function mergeArtifacts(known: readonly ArtifactItem[], added: readonly ArtifactItem[]): ArtifactItem[] {
  const merged = new Map(known.map((item) => [item.digest.toString('hex'), item]))
  for (const item of added) {
    const digest = item.digest.toString('hex')
    if (!merged.has(digest)) merged.set(digest, item)
  }
  return [...merged.values()]
}
