/** The gate between a log and everybody else: what it lets through is what the signed InRelease names, byte for byte. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import test, { type Assert } from 'brittle'
import { encodeEvent, type Release } from '../../schemas/events.ts'
import { INDEX_FILES_IDLE_MAX } from '../../schemas/limits.ts'
import { digestHex, type DigestHex } from '../../schemas/units.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { Snapshot } from '../../store/snapshot.ts'
import {
  type Indexes,
  inReleaseOf,
  MAIN,
  NO_ROOTS,
  ALL,
  PUBLISHED_AT_MS,
  scratchFolder,
  sha256,
  stanza,
  TestChannel,
} from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const TEXT = stanza('aa', '1') + stanza('bb', '1')
/** What the two stanzas of TEXT have, so that a lie is not found by its length alone. */
const HALVES = [TEXT.length / 2, TEXT.length / 2]
const MIB = 1024 * 1024

async function filesIn(t: Assert): Promise<{ files: IndexFiles; directory: string }> {
  const directory = join(await scratchFolder(t), 'indexes')
  return { files: await IndexFiles.open(directory), directory }
}

async function opened(channel: TestChannel, files: IndexFiles, number = 1): Promise<Snapshot> {
  return Snapshot.open(channel.log, files, await channel.history.plan(number))
}

interface Hostile {
  /** What the log holds. */
  readonly stanzas?: { readonly byteLengths: readonly number[]; readonly compressed: Buffer }
  readonly signedIndex?: { readonly byteLength: number; readonly compressed: Buffer }
  /** What InRelease and release promise. */
  readonly promised?: Indexes
  readonly byteLength?: number
  readonly count?: number
}

/** A first release of which everything may be a lie. */
async function hostile(t: Assert, lies: Hostile): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  const { promised = { [MAIN]: TEXT } } = lies
  const inRelease = inReleaseOf(promised)
  const release: Release = {
    number: 1,
    publishedAtMs: PUBLISHED_AT_MS,
    releasedAtMs: PUBLISHED_AT_MS,
    validUntilMs: null,
    previous: null,
    suite: 'test',
    signedIndexBlock: 2,
    indexes: Object.entries(promised).map(([path, content]) => ({
      path,
      byteLength: lies.byteLength ?? content.length,
      digest: sha256(content),
      script: [{ op: 'insert', count: lies.count ?? 2, block: 1, first: 0 }],
    })),
    ...NO_ROOTS,
    index: { length: 1, treeHash: Buffer.alloc(32) },
    headBefore: { length: 1, fork: 0, treeHash: Buffer.alloc(32), signature: Buffer.alloc(68) },
    chapterBlock: 0,
    noteBlock: 0,
    upstream: null,
    verdicts: null,
  }
  await channel.appendRaw(
    encodeEvent({ type: 'stanzas', byteLengths: HALVES, compressed: brotliCompressSync(TEXT), ...lies.stanzas }),
    encodeEvent({
      type: 'signedIndex',
      byteLength: inRelease.length,
      compressed: brotliCompressSync(inRelease),
      ...lies.signedIndex,
    }),
    release,
  )
  await channel.history.advance()
  return channel
}

test('snapshot: an honest log in this form → opened, so that the lies below are what is refused', async (t) => {
  const { files, directory } = await filesIn(t)
  const snapshot = await opened(await hostile(t, {}), files)
  t.is(snapshot.packageCount, 2)
  t.alike(await readdir(directory), [digestHex(sha256(TEXT))])
  t.is(await readFile(join(directory, digestHex(sha256(TEXT))), 'utf8'), TEXT)
})

const bomb = brotliCompressSync(Buffer.alloc(64 * MIB))
const LIES: readonly { readonly what: string; readonly lies: Hostile; readonly code: string }[] = [
  { what: 'other text than promised', lies: { promised: { [MAIN]: TEXT.toUpperCase() } }, code: 'SNAPSHOT_MISMATCH' },
  { what: 'another size in the release than in InRelease', lies: { byteLength: 1 }, code: 'SNAPSHOT_MISMATCH' },
  { what: 'less text than promised', lies: { promised: { [MAIN]: `${TEXT}\n` } }, code: 'SNAPSHOT_MISMATCH' },
  { what: 'more text than promised', lies: { promised: { [MAIN]: TEXT.slice(1) } }, code: 'SNAPSHOT_MISMATCH' },
  { what: 'stanzas that the block lacks', lies: { count: 3 }, code: 'SNAPSHOT_MISMATCH' },
  { what: 'two million stanzas of one block', lies: { count: 1_999_999 }, code: 'SNAPSHOT_MISMATCH' },
  {
    what: 'a block that unpacks to less than it declares',
    lies: { stanzas: { byteLengths: HALVES, compressed: brotliCompressSync(TEXT.slice(1)) } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'a block that unpacks to more than it declares',
    lies: { stanzas: { byteLengths: HALVES, compressed: brotliCompressSync(`${TEXT}\n`) } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'a block that declares more than a block may have',
    lies: { stanzas: { byteLengths: [MIB, MIB], compressed: brotliCompressSync(TEXT) } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'a block that declares 2^53 bytes',
    lies: { stanzas: { byteLengths: [2 ** 53 - 1, 2 ** 53 - 1], compressed: brotliCompressSync(TEXT) } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'a block that is a bomb',
    lies: { stanzas: { byteLengths: HALVES, compressed: bomb } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'an InRelease that is a bomb',
    lies: { signedIndex: { byteLength: 500, compressed: bomb } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'an InRelease of a gigabyte',
    lies: { signedIndex: { byteLength: 2 ** 30, compressed: bomb } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'an InRelease that is no brotli',
    lies: { signedIndex: { byteLength: 100, compressed: Buffer.alloc(100, 7) } },
    code: 'EVENT_INVALID',
  },
  {
    what: 'an InRelease that nobody signed',
    lies: { signedIndex: { byteLength: 4, compressed: brotliCompressSync('Date') } },
    code: 'SIGNATURE_MISSING',
  },
]

for (const { what, lies, code } of LIES) {
  test(`snapshot: ${what} → ${code}, no file, no memory`, async (t) => {
    const channel = await hostile(t, lies)
    const { files, directory } = await filesIn(t)
    const { external, heapUsed } = process.memoryUsage()
    t.is(await codeOf(opened(channel, files)), code)
    const after = process.memoryUsage()
    t.ok(after.external + after.heapUsed - external - heapUsed < 32 * MIB)
    t.alike(await readdir(directory), [])
  })
}

test('snapshot: an index that InRelease does not name → SNAPSHOT_MISMATCH', async (t) => {
  const inRelease = inReleaseOf({ [ALL]: TEXT })
  const channel = await hostile(t, {
    signedIndex: { byteLength: inRelease.length, compressed: brotliCompressSync(inRelease) },
  })
  t.is(await codeOf(opened(channel, channel.files)), 'SNAPSHOT_MISMATCH')
})

test('snapshot: 2,000 packages over three releases → every file byte for byte, past ones too', async (t) => {
  const channel = await TestChannel.create(t)
  const packages = (version: number): string =>
    Array.from({ length: 2000 }, (_, i) => stanza(`pkg${i}`, `${i % 7 < version ? version : 0}`)).join('')
  for (const version of [1, 2, 3])
    await channel.publish({ [MAIN]: packages(version), [ALL]: stanza('docs', String(version)) })
  const { files } = await filesIn(t)
  for (const version of [3, 1, 2]) {
    const snapshot = await opened(channel, files, version)
    t.is(await readFile(snapshot.indexes[0]?.filePath ?? '', 'utf8'), packages(version))
    const [found] = await snapshot.byName('pkg0')
    t.is(found?.version, String(version))
    t.is((await snapshot.byFilename(found?.filename ?? ''))?.text.toString(), stanza('pkg0', String(version)))
    t.alike(
      (await snapshot.byName('docs')).map(({ ordinal }) => ordinal),
      [0],
    )
    t.alike([await snapshot.byName('none'), await snapshot.byFilename('pool/none.deb')], [[], null])
    await snapshot.close()
  }
})

test('snapshot: opened several times at once → each file is rebuilt once', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: TEXT })
  const { files } = await filesIn(t)
  let stored = 0
  const store = files.store.bind(files)
  files.store = (digest, bytes) => (stored++, store(digest, bytes))
  const snapshots = await Promise.all([1, 2, 3, 4].map(() => opened(channel, files)))
  t.is(stored, 1)
  t.is(new Set(snapshots.map(({ indexes }) => indexes[0]?.filePath)).size, 1)
})

test('snapshot: a rebuild that fails → fails for all who wait, and is tried again by the next', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: TEXT })
  const { files, directory } = await filesIn(t)
  await rm(directory, { recursive: true })
  t.alike(await Promise.all([1, 2].map(() => codeOf(opened(channel, files)))), ['IO_ERROR', 'IO_ERROR'])
  await mkdir(directory)
  t.is(await codeOf(opened(channel, files)), 'accepted')
})

test('snapshot: its file is gone when it is looked into → an error, and the next look-up finds it again', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: TEXT })
  const { files } = await filesIn(t)
  const snapshot = await opened(channel, files)
  const filePath = snapshot.indexes[0]?.filePath ?? ''
  await rm(filePath)
  await t.exception(snapshot.byName('aa'), /ENOENT/)
  await writeFile(filePath, TEXT)
  t.is((await snapshot.byName('aa')).length, 1)
  await snapshot.close()
})

test('index files: leftovers of a crash → removed at opening, whole files kept', async (t) => {
  const { directory } = await filesIn(t)
  const digest = digestHex(sha256(TEXT))
  await writeFile(join(directory, digest), TEXT)
  await writeFile(join(directory, `${digest}.012345.tmp`), 'half')
  const again = await IndexFiles.open(directory)
  t.alike(await readdir(directory), [digest])
  t.is(again.held(digest), join(directory, digest))
})

test('index files: more than are kept → the oldest go, not those that a snapshot serves, also when many are stored at once', async (t) => {
  const { files, directory } = await filesIn(t)
  const bytes = Array.from({ length: INDEX_FILES_IDLE_MAX + 20 }, () => randomBytes(8))
  const digests = bytes.map((content) => digestHex(sha256(content)))
  const [served] = digests as [(typeof digests)[number]]
  const release = files.retain(served)
  for (const [i, content] of bytes.slice(0, INDEX_FILES_IDLE_MAX).entries()) {
    await files.store(digests[i] as typeof served, content)
  }
  await Promise.all(
    bytes.slice(INDEX_FILES_IDLE_MAX).map((content) => files.store(digestHex(sha256(content)), content)),
  )
  const kept = await readdir(directory)
  t.ok(kept.length <= INDEX_FILES_IDLE_MAX + 2 && kept.length > INDEX_FILES_IDLE_MAX - 20, `${kept.length} files`)
  t.not(files.held(served), null)
  t.is(files.held(digests[1] as typeof served), null, 'the oldest of the others')
  release()
  for (let i = 0; files.held(served) !== null; i++) {
    if (i > 20) return t.fail('it is kept although no snapshot serves it')
    const content = randomBytes(8)
    await files.store(digestHex(sha256(content)), content)
  }
})

test('index files: more bytes than are kept → the oldest go', async (t) => {
  const directory = join(await scratchFolder(t), 'indexes')
  const files = await IndexFiles.open(directory, 100)
  const store = async (fill: number): Promise<DigestHex> => {
    const content = Buffer.alloc(40, fill)
    await files.store(digestHex(sha256(content)), content)
    return digestHex(sha256(content))
  }
  const digests = [await store(1), await store(2), await store(3), await store(4)]
  t.alike(
    digests.map((digest) => files.held(digest) !== null),
    [false, true, true, true],
    'two idle ones, and the one that has just been made',
  )
})
