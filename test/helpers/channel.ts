/** A channel of its own in a temporary store, published from texts, below the level of nodes: no gateway, no journal. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { encodeEvent, type Release } from '../../schemas/events.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { writeRelease } from '../../schemas/release-file.ts'
import { splitStanzas } from '../../schemas/stanza.ts'
import type { PreparedRecord } from '../../schemas/signing.ts'
import { digestHex } from '../../schemas/units.ts'
import { composeRelease, type ComposedRelease, type ReleaseBefore } from '../../store/compose-release.ts'
import { History } from '../../store/history.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { Store } from '../../store/open-store.ts'
import type { NamedSignature, Quorum } from '../../store/quorum.ts'
import type { QuorumLog } from '../../store/quorum-log.ts'
import { type NewRoots, ReleaseLog } from '../../store/release-log.ts'

/** Teardown: what is open first, then its folder. */
const [OPENED, FOLDERS] = [0, 1]

/** Path below dists/SUITE/ → content. */
export type Indexes = Readonly<Record<string, string>>

export const MAIN = 'main/binary-amd64/Packages'
export const ALL = 'main/binary-all/Packages'
export const PUBLISHED_AT_MS = 1_700_000_000_000

export async function scratchFolder(t: Assert): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'freshet-'))
  t.teardown(() => rm(path, { recursive: true, force: true }), { order: FOLDERS })
  return path
}

export async function openStore(t: Assert, directory: string, onFailure?: (failure: Error) => void): Promise<Store> {
  const store = await Store.open(directory, onFailure)
  t.teardown(() => store.close(), { order: OPENED })
  return store
}

/** A stanza as Packages has it, with the blank line after it. `content` decides the SHA-256. */
export function stanza(
  name: string,
  version: string,
  options: { architecture?: string; content?: string; section?: string } = {},
): string {
  const { architecture = 'amd64', content = `${name} ${version}`, section = 'misc' } = options
  const digest = createHash('sha256').update(content).digest('hex')
  const filename = `pool/main/${name}_${version}_${architecture}.deb`
  return `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nSection: ${section}\nFilename: ${filename}\nSize: ${content.length}\nSHA256: ${digest}\n\n`
}

export function sha256(bytes: Buffer | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** No roots come with a release. */
export const NO_ROOTS: NewRoots = { roots: [], lateRoots: [] }

/** In the form of a clear-signed message; nothing here verifies signatures. `note` makes two of one content differ. */
export function inReleaseOf(indexes: Indexes, note = ''): Buffer {
  const text = writeRelease({
    origin: 'test',
    label: '',
    suite: 'test',
    codename: '',
    date: PUBLISHED_AT_MS,
    validUntil: null,
    architectures: ['amd64'],
    components: ['main'],
    description: note,
    sha256: new Map(
      Object.entries(indexes).map(([path, content]) => [
        path,
        { byteLength: Buffer.byteLength(content), digest: digestHex(sha256(content)) },
      ]),
    ),
  })
  const signature = '-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n'
  return Buffer.from(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${text}${signature}`)
}

export function draftOf(indexes: Indexes, options: Partial<ReleaseDraft> = {}): ReleaseDraft {
  return {
    suite: 'test',
    inRelease: inReleaseOf(indexes),
    releasedAtMs: PUBLISHED_AT_MS,
    validUntilMs: null,
    indexes: Object.entries(indexes).map(([path, content]) => ({ path, bytes: Buffer.from(content) })),
    artifacts: [],
    ownRelease: false,
    close: async () => {},
    ...options,
  }
}

/** Everything that `items` yields. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Index files as composing the next release reads those on disk, each stanza as a list of its own. */
export function stanzasOf(indexes: Indexes): ReleaseBefore['stanzas'] {
  return async function* (path) {
    const bytes = Buffer.from(indexes[path] ?? '')
    const offsets = splitStanzas(bytes)
    for (let i = 0; i < offsets.length - 1; i++) yield { bytes, offsets: offsets.subarray(i, i + 2) }
  }
}

export class TestChannel {
  readonly store: Store
  readonly log: ReleaseLog
  readonly history: History
  readonly files: IndexFiles
  /** Index files of the newest release. */
  #indexes: Indexes = {}

  private constructor(store: Store, log: ReleaseLog, files: IndexFiles) {
    this.store = store
    this.log = log
    this.history = new History(log)
    this.files = files
  }

  static async create(t: Assert, name = 'test'): Promise<TestChannel> {
    const folder = await scratchFolder(t)
    const store = await openStore(t, join(folder, 'store'))
    const log = await ReleaseLog.create(store, name, Buffer.from('key'), PUBLISHED_AT_MS, async () => {})
    return new TestChannel(store, log, await IndexFiles.open(join(folder, 'indexes')))
  }

  /** One that several people sign. */
  static async createQuorum(t: Assert, quorum: Quorum): Promise<TestChannel> {
    const folder = await scratchFolder(t)
    const store = await openStore(t, join(folder, 'store'))
    const log = await ReleaseLog.createQuorum(store, quorum, async () => {})
    return new TestChannel(store, log, await IndexFiles.open(join(folder, 'indexes')))
  }

  /** What `publish` appends, prepared for signatures instead. */
  async prepare(indexes: Indexes, options: Partial<ReleaseDraft> = {}): Promise<PreparedRecord> {
    return this.quorum.prepare(await this.compose(indexes, options), Promise.resolve(NO_ROOTS))
  }

  /** Commits what `prepare` gave for `indexes`. */
  async commit(record: PreparedRecord, indexes: Indexes, signatures: readonly NamedSignature[]): Promise<void> {
    await this.quorum.commit(record, signatures)
    await this.history.advance()
    this.#indexes = indexes
  }

  get quorum(): QuorumLog {
    return this.log.quorum as QuorumLog
  }

  async compose(indexes: Indexes, options: Partial<ReleaseDraft> = {}): Promise<ComposedRelease> {
    const { newest } = this.history
    const stanzas = stanzasOf(this.#indexes)
    const before =
      newest === null
        ? null
        : { plan: await this.history.plan(newest.number), stanzas, contents: await this.history.contents() }
    const publishedAtMs = PUBLISHED_AT_MS + 1000 * (newest?.number ?? 0)
    return composeRelease({ base: this.log.length, before, draft: draftOf(indexes, options), publishedAtMs })
  }

  async publish(
    indexes: Indexes,
    options: Partial<ReleaseDraft> = {},
    roots: Partial<NewRoots> = {},
  ): Promise<ComposedRelease> {
    const composed = await this.compose(indexes, options)
    await this.log.append(composed, Promise.resolve({ ...NO_ROOTS, ...roots }))
    await this.history.advance()
    this.#indexes = indexes
    return composed
  }

  /** Appends blocks as a publisher with the key but without scruples could. */
  async appendRaw(...blocks: readonly (Buffer | Release)[]): Promise<void> {
    const encoded = blocks.map((block) => (Buffer.isBuffer(block) ? block : encodeEvent({ type: 'release', ...block })))
    await this.log.core.append(encoded)
  }
}
