/** Rebuilt index files: from the log, from the file of the release before, and from that file when it is damaged. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { composeRelease } from '../../store/compose-release.ts'
import type { ReleaseBefore } from '../../store/compose-release.ts'
import { History } from '../../store/history.ts'
import { NO_ROOTS, stanzasOf } from '../helpers/channel.ts'
import type { PlannedIndex } from '../../store/release-block.ts'
import { IndexFiles } from '../../store/index-files.ts'
import { Store } from '../../store/open-store.ts'
import { ReleaseLog } from '../../store/release-log.ts'

const PATH = 'main/binary-amd64/Packages'

interface Published {
  readonly log: ReleaseLog
  readonly files: IndexFiles
  /** Of each release: its plan and its bytes. */
  readonly releases: readonly { readonly index: PlannedIndex; readonly bytes: Buffer }[]
}

function packages(count: number, changed: ReadonlySet<number>): Buffer {
  const stanzas = Array.from({ length: count }, (_, i) => {
    const version = changed.has(i) ? 2 : 1
    const digest = (i * 2 + version).toString(16).padStart(64, '0')
    const fields = [
      `Package: p${i}`,
      `Version: ${version}`,
      'Architecture: amd64',
      `Filename: pool/p${i}_${version}.deb`,
    ]
    return [...fields, `Size: ${i + version}`, `SHA256: ${digest}`, '', ''].join('\n')
  })
  return Buffer.from(stanzas.join(''))
}

/** A log with one release for each of `contents`, and no index file yet. */
async function publish(t: Assert, contents: readonly Buffer[]): Promise<Published> {
  const directory = await mkdtemp(join(tmpdir(), 'freshet-index-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const store = await Store.open(join(directory, 'store'))
  t.teardown(() => store.close(), { order: -1 })
  const log = await ReleaseLog.create(store, 'demo', Buffer.from('key'), 1, async () => {})
  const history = new History(log)
  let before: ReleaseBefore | null = null
  const releases: Published['releases'][number][] = []
  for (const [i, bytes] of contents.entries()) {
    const draft = {
      suite: 'demo',
      inRelease: Buffer.from('signed elsewhere'),
      releasedAtMs: i + 1,
      validUntilMs: null,
      indexes: [{ path: PATH, bytes }],
      artifacts: [],
      ownRelease: false,
      close: async () => {},
    }
    const composed = await composeRelease({ base: log.length, before, draft, publishedAtMs: i + 1 })
    await log.append(composed, Promise.resolve(NO_ROOTS))
    await history.advance()
    const plan = await history.plan(i + 1)
    releases.push({ index: plan.indexes[0] as PlannedIndex, bytes })
    before = { plan, stanzas: stanzasOf({ [PATH]: bytes.toString() }), contents: await history.contents() }
  }
  return { log, files: await IndexFiles.open(join(directory, 'indexes')), releases }
}

const TWO = [packages(3000, new Set()), packages(3000, new Set([0, 7, 8, 1500, 2999]))]

test('index files: from the log, then from the file before → both are byte for byte right', async (t) => {
  const { log, files, releases } = await publish(t, TWO)
  const unpacked: number[] = []
  for (const { index, bytes } of releases) {
    const path = await files.ensure(log, index, (_, total) => unpacked.push(total))
    t.ok((await readFile(path)).equals(bytes))
  }
  t.is(unpacked.at(-1), 1, 'of the second release only the block of new text is unpacked')
})

test('index files: the newer first, then an older one → right too', async (t) => {
  const { log, files, releases } = await publish(t, TWO)
  for (const { index, bytes } of releases.toReversed()) {
    t.ok((await readFile(await files.ensure(log, index))).equals(bytes))
  }
})

for (const [damage, change] of [
  ['one byte differs', (bytes: Buffer) => bytes.fill('x', 10, 11)],
  ['it was cut', (bytes: Buffer) => bytes.subarray(0, 1000)],
  ['it is empty', () => Buffer.alloc(0)],
] as const) {
  test(`index files: the file before is damaged, ${damage} → the log gives the right one`, async (t) => {
    const { log, files, releases } = await publish(t, TWO)
    const [first, second] = releases as [Published['releases'][number], Published['releases'][number]]
    const path = await files.ensure(log, first.index)
    await writeFile(path, change(Buffer.from(first.bytes)))
    t.ok((await readFile(await files.ensure(log, second.index))).equals(second.bytes))
  })
}
