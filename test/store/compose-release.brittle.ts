/** What a release adds to the log, and that the log gives its index files back byte for byte. */
import { readFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { decodeEvent } from '../../schemas/events.ts'
import { IN_RELEASE_BYTES_MAX, INDEXES_MAX, STANZAS_BLOCK_BYTES_MAX } from '../../schemas/limits.ts'
import { composeRelease, isUnchanged, type ComposedRelease } from '../../store/compose-release.ts'
import { Snapshot } from '../../store/snapshot.ts'
import { ALL, draftOf, type Indexes, inReleaseOf, MAIN, stanza, stanzasOf, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const ARM = 'main/binary-arm64/Packages'
const [A1, A2, B1, C1] = [stanza('aa', '1'), stanza('aa', '2'), stanza('bb', '1'), stanza('cc', '1')]

/** Texts that a release brings, over all of its blocks. */
function stanzasIn({ blocks }: ComposedRelease): number {
  return blocks
    .map((block) => decodeEvent(block))
    .reduce((sum, event) => sum + (event?.type === 'stanzas' ? event.byteLengths.length : 0), 0)
}

/** Every release there is, read back from the log. */
async function readBack(channel: TestChannel): Promise<Indexes[]> {
  const found: Indexes[] = []
  for await (const { number } of channel.history.releases()) {
    const snapshot = await Snapshot.open(channel.log, channel.files, await channel.history.plan(number))
    const entries = snapshot.indexes.map(
      async ({ path, filePath }) => [path, await readFile(filePath, 'utf8')] as const,
    )
    found.push(Object.fromEntries(await Promise.all(entries)))
    await snapshot.close()
  }
  return found
}

/** Publishes all, reads all back. @returns how many texts each release brought, and what it says came and went. */
async function publishAll(
  t: Assert,
  ...releases: Indexes[]
): Promise<{ texts: number; added: number; removed: number }[]> {
  const channel = await TestChannel.create(t)
  const composed = []
  for (const indexes of releases) composed.push(await channel.publish(indexes))
  t.alike(await readBack(channel), releases, 'byte for byte')
  return composed.map((release) => ({ texts: stanzasIn(release), added: release.added, removed: release.removed }))
}

test('compose release: stanzas that come, go, change, move and return → only new texts are stored', async (t) => {
  t.alike(
    await publishAll(
      t,
      { [MAIN]: A1 + B1 + C1 },
      { [MAIN]: C1 + A2 + B1 },
      { [MAIN]: B1 + A2 + C1 },
      { [MAIN]: A2 },
      { [MAIN]: C1 + A2 },
    ),
    [
      { texts: 3, added: 3, removed: 0 },
      { texts: 1, added: 1, removed: 1 },
      { texts: 0, added: 0, removed: 0 },
      { texts: 0, added: 0, removed: 2 },
      { texts: 1, added: 1, removed: 0 },
    ],
  )
})

test('compose release: a stanza in two indexes, and twice in one → stored once, told once', async (t) => {
  const all = stanza('docs', '1', { architecture: 'all' })
  t.alike(await publishAll(t, { [MAIN]: A1 + all, [ARM]: all + all }, { [MAIN]: A1, [ARM]: all + A1 }), [
    { texts: 2, added: 2, removed: 0 },
    { texts: 0, added: 0, removed: 0 },
  ])
})

test('compose release: index files that come and go, change places, are empty or blank → given back', async (t) => {
  const releases = [
    { [MAIN]: A1 },
    { [ALL]: B1, [MAIN]: A1, [ARM]: '' },
    { [MAIN]: '\n', [ARM]: '\n\n' },
    { [ARM]: B1 + A1 },
    { [ARM]: '' },
  ]
  const told = await publishAll(t, ...releases)
  t.alike(
    told.map(({ added, removed }) => [added, removed]),
    [
      [1, 0],
      [1, 0],
      [0, 2],
      [2, 0],
      [0, 2],
    ],
  )
})

test('compose release: blank lines at the beginning, at the end and in between → given back', async (t) => {
  await publishAll(
    t,
    { [MAIN]: `\n\n${A1}\n\n${B1.trimEnd()}` },
    { [MAIN]: `${A1}\n\n${B1}\n` },
    { [MAIN]: `\n\n${A1}${B1.trimEnd()}\n` },
  )
})

test('compose release: more text than one block takes, a stanza larger than a block → several, each within its bound', async (t) => {
  const channel = await TestChannel.create(t)
  const large = stanza('large', '1').replace('Section: misc', `Section: ${'x'.repeat(STANZAS_BLOCK_BYTES_MAX)}`)
  const many = Array.from({ length: 3000 }, (_, i) => stanza(`pkg${i}`, '1')).join('')
  const indexes = { [MAIN]: `${A1}${large}${many}` }
  const { blocks } = await channel.publish(indexes)
  const sizes = blocks.slice(0, -1).map((block) => {
    const event = decodeEvent(block)
    return event?.type === 'stanzas' ? event.byteLengths.reduce((sum, size) => sum + size, 0) : 0
  })
  t.is(sizes[0], A1.length)
  t.is(sizes[1], large.length)
  t.ok(sizes.length > 4 && sizes.slice(2).every((size) => size <= STANZAS_BLOCK_BYTES_MAX))
  t.alike(await readBack(channel), [indexes])
})

test('compose release: the same draft again → unchanged; another InRelease, suite or index → not', async (t) => {
  const channel = await TestChannel.create(t)
  const indexes = { [MAIN]: A1, [ALL]: B1 }
  await channel.publish(indexes)
  const plan = await channel.history.plan(1)
  const before = { plan, stanzas: stanzasOf({}), contents: await channel.history.contents() }
  const inRelease = inReleaseOf(indexes)
  const unchanged = async (of: Indexes, options = {}): Promise<boolean> =>
    isUnchanged(await channel.compose(of, options), before, inRelease, draftOf(of, options))
  t.ok(await unchanged(indexes))
  t.absent(await unchanged(indexes, { inRelease: inReleaseOf(indexes, 'signed again') }))
  t.absent(await unchanged(indexes, { suite: 'other' }))
  t.absent(await unchanged({ [MAIN]: A1 }, { inRelease }))
  t.absent(await unchanged({ [MAIN]: A1, [ALL]: C1 }, { inRelease }))
  t.absent(isUnchanged(await channel.compose(indexes), null, null, draftOf(indexes)))
})

test('compose release: a version with other bytes → VERSION_REUSE where the publisher makes versions, else a release', async (t) => {
  const channel = await TestChannel.create(t)
  const rebuilt = stanza('aa', '1', { content: 'rebuilt' })
  await channel.publish({ [MAIN]: A1 + B1 })
  const options = { ownRelease: true }
  t.is(await codeOf(channel.compose({ [MAIN]: rebuilt + B1 }, options)), 'VERSION_REUSE')
  t.is(await codeOf(channel.compose({ [MAIN]: B1, [ALL]: rebuilt }, options)), 'VERSION_REUSE', 'wherever it stands')
  t.is(
    await codeOf(channel.compose({ [MAIN]: stanza('aa', '1', { section: 'web' }) + B1 }, options)),
    'accepted',
    'same bytes',
  )
  t.is(
    await codeOf(channel.compose({ [MAIN]: stanza('aa', '1', { architecture: 'arm64' }) + A1 }, options)),
    'accepted',
  )
  t.is((await channel.compose({ [MAIN]: rebuilt + B1 })).release.number, 2)
  t.is(channel.log.length, 4, 'nothing of this was written')
})

test('compose release: a clock set back → published after the release before all the same', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: A1 })
  const stanzas = stanzasOf({ [MAIN]: A1 })
  const before = { plan: await channel.history.plan(1), stanzas, contents: await channel.history.contents() }
  const composed = await composeRelease({
    base: channel.log.length,
    before,
    draft: draftOf({ [MAIN]: A2 }),
    publishedAtMs: 5,
  })
  t.is(composed.release.publishedAtMs, before.plan.release.publishedAtMs + 1)
})

test('compose release: bad text, too many indexes, a huge InRelease → refused by code', async (t) => {
  const channel = await TestChannel.create(t)
  t.is(await codeOf(channel.compose({ [MAIN]: 'Version: 1\n\n' })), 'STANZA_NO_PACKAGE')
  t.is(await codeOf(channel.compose({ [MAIN]: A1.replace('pool/', '../pool/') })), 'FILENAME_UNSAFE')
  const many = Object.fromEntries(
    Array.from({ length: INDEXES_MAX + 1 }, (_, i) => [`c${i}/binary-amd64/Packages`, '']),
  )
  t.is(await codeOf(channel.compose(many)), 'EVENT_INVALID')
  const inRelease = Buffer.alloc(IN_RELEASE_BYTES_MAX + 1)
  t.is(await codeOf(channel.compose({ [MAIN]: A1 }, { inRelease })), 'EVENT_INVALID')
})
