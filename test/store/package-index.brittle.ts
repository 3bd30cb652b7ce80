/** The index that a publisher writes: look-ups against plain models of the same releases, and against one built from the log. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { unionOf } from '../../schemas/release-ranges.ts'
import { readPackageStanza } from '../../schemas/stanza.ts'
import { digestHex, type DigestHex } from '../../schemas/units.ts'
import { History } from '../../store/history.ts'
import { readRelease, type SnapshotPlan } from '../../store/release-block.ts'
import { PackageIndex, type AddedPackage, type IndexChanges } from '../../store/package-index.ts'
import { readStanzas } from '../../store/stanza-block.ts'
import { ALL, type Indexes, MAIN, openStore, scratchFolder, sha256, stanza, TestChannel } from '../helpers/channel.ts'

async function published(t: Assert, ...releases: Indexes[]): Promise<{ channel: TestChannel; index: PackageIndex }> {
  const channel = await TestChannel.create(t)
  for (const indexes of releases) await channel.publish(indexes)
  const { release } = await readRelease(channel.log, channel.history.newest?.block ?? 0)
  return { channel, index: await channel.log.indexAt(release.index) }
}

const NEVER = 999

/** As `1 2-3 5-`, the last still there. */
async function rangesOf(index: PackageIndex, name: string): Promise<Record<string, string>> {
  const found = await index.versions(name)
  return Object.fromEntries(
    found.map(({ version, architecture, spans }) => [
      `${version} ${architecture}`,
      unionOf(spans.map(({ first, last }) => ({ first, last: last === 0 ? NEVER : last })))
        .map(({ first, last }) => (last === first ? `${first}` : `${first}-${last === NEVER ? '' : last}`))
        .join(' '),
    ]),
  )
}

async function textAt(channel: TestChannel, place: { block: number; ordinal: number } | null): Promise<string> {
  if (place === null) return 'nowhere'
  const { text, offsets } = await readStanzas(channel.log, place.block)
  return text.toString('utf8', offsets[place.ordinal], offsets[place.ordinal + 1])
}

const main = (...stanzas: string[]): Indexes => ({ [MAIN]: stanzas.join('') })
const [A1, A2, B1] = [stanza('aa', '1'), stanza('aa', '2'), stanza('bb', '1')]

test('package index: versions that stay, leave, return and leave again → their ranges of releases', async (t) => {
  const { index } = await published(t, main(A1, B1), main(A2, B1), main(A1, A2), main(A2), main(A1, A2, B1), main(B1))
  t.alike(await rangesOf(index, 'aa'), { '1 amd64': '1 3 5', '2 amd64': '2-5' })
  t.alike(await rangesOf(index, 'bb'), { '1 amd64': '1-2 5-' })
  t.alike(await rangesOf(index, 'cc'), {})
})

test('package index: another stanza of the same version → the range goes on', async (t) => {
  const changed = stanza('aa', '1', { section: 'oldlibs' })
  const { channel, index } = await published(t, main(A1), main(changed), main(changed, B1))
  t.alike(await rangesOf(index, 'aa'), { '1 amd64': '1-' })
  const [found] = await index.versions('aa')
  const texts = (found?.spans ?? []).map(async (span) => [span.first, span.last, await textAt(channel, span)])
  t.alike(
    await Promise.all(texts),
    [
      [1, 1, A1],
      [2, 0, changed],
    ],
    'and each release has its own text',
  )
})

test('package index: one package in two indexes with different words → there as long as one of them has it', async (t) => {
  const [one, other] = [
    stanza('aa', '1', { architecture: 'all' }),
    stanza('aa', '1', { architecture: 'all', section: 'web' }),
  ]
  const { index } = await published(
    t,
    { [MAIN]: one, [ALL]: B1 },
    { [MAIN]: one, [ALL]: B1 + other },
    { [MAIN]: one, [ALL]: B1 },
    { [MAIN]: B1, [ALL]: B1 + other },
    { [MAIN]: B1, [ALL]: B1 },
  )
  t.alike(await rangesOf(index, 'aa'), { '1 all': '1-4' })
})

test('package index: the same name for two architectures, names that begin alike → kept apart', async (t) => {
  const arm = stanza('aa', '1', { architecture: 'arm64' })
  const { index } = await published(t, main(A1, arm, stanza('aa-doc', '1'), stanza('aa+b', '1')), main(A1, B1))
  t.alike(await rangesOf(index, 'aa'), { '1 amd64': '1-', '1 arm64': '1' })
  t.alike(await rangesOf(index, 'aa-doc'), { '1 amd64': '1' })
  t.alike(await rangesOf(index, 'aa+b'), { '1 amd64': '1' })
  t.alike(await rangesOf(index, 'a'), {})
})

test('package index: artifacts, also such that share a bucket → the stanza that first had them', async (t) => {
  // Found by trying: contents whose SHA-256 begin with the same 14 bits.
  const bucketOf = (content: string): number => sha256(content).readUInt16BE() >> 2
  const contents = ['0']
  for (let i = 1; contents.length < 3; i++) if (bucketOf(String(i)) === bucketOf('0')) contents.push(String(i))
  const texts = contents.map((content, i) => stanza(`pkg${i}`, '1', { content }))
  const { channel, index } = await published(t, main(texts[0] as string), main(...texts), main(A1))
  for (const [i, content] of contents.entries()) {
    t.is(await textAt(channel, await index.artifact(sha256(content).toString('hex') as DigestHex)), texts[i])
  }
  t.is(await index.artifact(sha256('none').toString('hex') as DigestHex), null)
})

test('package index: two files for one version in one release → both are found by their digest', async (t) => {
  const [one, other] = [stanza('aa', '1', { content: 'x' }), stanza('aa', '1', { content: 'y' })]
  const { channel, index } = await published(t, { [MAIN]: one, [ALL]: other })
  t.is(await textAt(channel, await index.artifact(sha256('x').toString('hex') as DigestHex)), one)
  t.is(await textAt(channel, await index.artifact(sha256('y').toString('hex') as DigestHex)), other)
  t.alike(await rangesOf(index, 'aa'), { '1 amd64': '1-' })
})

/** What the release changed, found in the log alone: places that came and went, per package. */
async function changesFromLog(
  channel: TestChannel,
  before: SnapshotPlan | null,
  after: SnapshotPlan,
): Promise<IndexChanges> {
  const placesOf = async (plan: SnapshotPlan | null): Promise<Map<string, AddedPackage>> => {
    const places = new Map<string, AddedPackage>()
    for (const { runs } of plan?.indexes ?? []) {
      for (const { block, first, count } of runs) {
        const { text, offsets } = await readStanzas(channel.log, block)
        for (let ordinal = first; ordinal < first + count; ordinal++) {
          const parsed = readPackageStanza(text, offsets[ordinal] as number, offsets[ordinal + 1] as number, 'a stanza')
          const { name, version, architecture, digest } = parsed
          places.set(`${block}/${ordinal}`, { name, version, architecture, digest, block, ordinal })
        }
      }
    }
    return places
  }
  const [held, kept] = [await placesOf(before), await placesOf(after)]
  const identity = ({ name, version, architecture }: AddedPackage): string => `${name} ${version} ${architecture}`
  const stayed = new Set([...kept].filter(([place]) => held.has(place)).map(([, item]) => identity(item)))
  const gone = [...held].filter(([place, item]) => !kept.has(place) && !stayed.has(identity(item)))
  const came = [...kept].filter(([place]) => !held.has(place))
  return { added: came.map(([, item]) => item), removed: gone.map(([, item]) => item) }
}

async function entriesOf(core: Hypercore): Promise<string[]> {
  const bee = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' })
  const entries: string[] = []
  for await (const { key, value } of bee.createReadStream())
    entries.push(`${key.toString('latin1')} = ${value.toString('hex')}`)
  return entries
}

test('package index: built again from the log → entry for entry the same, and so is its tree', async (t) => {
  const many = (from: number, to: number, version: string): string[] =>
    Array.from({ length: to - from }, (_, i) => stanza(`many${from + i}`, version))
  const { channel } = await published(
    t,
    { [MAIN]: [A1, B1, ...many(0, 300, '1')].join(''), [ALL]: B1 },
    { [MAIN]: [A2, ...many(0, 290, '1'), ...many(290, 310, '2')].join(''), [ALL]: B1 },
    { [MAIN]: [A2, ...many(50, 290, '1'), ...many(290, 310, '2')].join('') },
    { [MAIN]: [A1, B1, ...many(0, 300, '1')].join(''), [ALL]: B1 + A2 },
  )
  const reader = new History(channel.log)
  await reader.advance()
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const core = store.cores.get({ name: 'rebuilt' })
  await core.ready()
  let before: SnapshotPlan | null = null
  for await (const { number } of reader.releases()) {
    const after = await reader.plan(number)
    const changes = await changesFromLog(channel, before, after)
    await PackageIndex.update(core, number, changes)
    before = after
  }
  const written = channel.store.cores.get({ name: 'channel/test/index' })
  await written.ready()
  const [expected, rebuilt] = [await entriesOf(written), await entriesOf(core)]
  t.ok(expected.length > 600)
  t.alike(rebuilt, expected)
  t.is(core.length, written.length)
  t.alike(await core.treeHash(), await written.treeHash(), 'the hash that the release block states')
})

/** One version of packages `from` to `to`, in a block of its own. 3,000 of them are in more buckets than are written at a time. */
function numbered(from: number, to: number, version: number): AddedPackage[] {
  return Array.from({ length: to - from }, (_, i) => {
    const digest = digestHex(sha256(`${from + i} ${version}`))
    return { name: `p${from + i}`, version: `${version}`, architecture: 'amd64', digest, block: version, ordinal: i }
  })
}

test('package index: releases that change everything, and little → the very tree that every auditor makes of them', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const core = store.cores.get({ name: 'pinned' })
  await core.ready()
  const [all, next] = [numbered(0, 3000, 1), numbered(0, 3000, 2)]
  await PackageIndex.update(core, 1, { added: all, removed: [] })
  await PackageIndex.update(core, 2, { added: next, removed: all })
  await PackageIndex.update(core, 3, { added: numbered(100, 150, 3), removed: next.slice(100, 160) })
  await PackageIndex.update(core, 4, { added: numbered(100, 150, 1), removed: numbered(100, 150, 3) })
  t.is(core.length, 14737)
  t.is((await core.treeHash()).toString('hex'), '319996b4d12c0035fa325573534c638738372e4abfa64ba01ad893d089fde58c')
})
