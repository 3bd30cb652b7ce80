/** Packages over all releases and in one of them, through the index of a channel. */
import test, { type Assert } from 'brittle'
import { type ChannelIndex } from '../../actors/channel.ts'
import { stanzasThrough, versionRanges } from '../../store/package-history.ts'
import { PackageIndex, type AddedPackage } from '../../store/package-index.ts'
import { readRelease } from '../../store/release-block.ts'
import { ALL, type Indexes, MAIN, sha256, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const main = (...stanzas: string[]): Indexes => ({ [MAIN]: stanzas.join('') })
const [A1, A2, B1] = [stanza('aa', '1'), stanza('aa', '2'), stanza('bb', '1')]

async function published(t: Assert, ...releases: Indexes[]): Promise<{ channel: TestChannel } & ChannelIndex> {
  const channel = await TestChannel.create(t)
  for (const indexes of releases) await channel.publish(indexes)
  const { release } = await readRelease(channel.log, channel.history.newest?.block ?? 0)
  return { channel, number: releases.length, index: await channel.log.indexAt(release.index) }
}

async function rangesOf({ index, number }: ChannelIndex, name: string): Promise<string[]> {
  return (await versionRanges(index, name, number)).map(({ version, architecture, ranges }) => {
    return `${version} ${architecture} ${ranges.map(({ first, last }) => `${first}-${last}`).join(' ')}`
  })
}

test('package history: versions that come, go and come back → ranges, in the order they came', async (t) => {
  const arm = stanza('aa', '1', { architecture: 'arm64' })
  const words = stanza('aa', '1', { section: 'web' })
  const opened = await published(t, main(A2), main(A1, A2, arm), main(words), main(A2, B1))
  t.alike(await rangesOf(opened, 'aa'), ['2 amd64 1-2 4-4', '1 amd64 2-3', '1 arm64 2-2'])
  t.alike(await rangesOf(opened, 'bb'), ['1 amd64 4-4'])
  t.alike(await rangesOf(opened, 'cc'), [])
})

test('package history: an index that names releases that do not exist → INDEX_INVALID', async (t) => {
  const { index, number } = await published(t, main(A1), main(A2), main(B1))
  t.is(await codeOf(versionRanges(index, 'aa', number)), 'accepted')
  t.is(await codeOf(versionRanges(index, 'aa', 1)), 'INDEX_INVALID', 'a range beyond the newest release')
  t.is(await codeOf(versionRanges(index, 'bb', 2)), 'INDEX_INVALID', 'one that begins after it')
})

test('package history: a name in each release → the very stanzas that the release has', async (t) => {
  const words = stanza('aa', '1', { section: 'web' })
  const { channel, index, number } = await published(t, main(A1, B1), main(words, A2), main(A1))
  for (const [release, expected] of [
    [1, ['1']],
    [2, ['1', '2']],
    [3, ['1']],
  ] as const) {
    const plan = await channel.history.plan(release)
    const found = await stanzasThrough(index, number, { log: channel.log, plan }, 'aa')
    t.alike(found?.map(({ version }) => version).sort(), expected)
    t.alike(await stanzasThrough(index, number, { log: channel.log, plan }, 'zz'), [])
  }
})

test('package history: one version said differently in two indexes → null: only the release itself tells', async (t) => {
  const words = stanza('aa', '1', { section: 'web' })
  const { channel, index, number } = await published(
    t,
    { [MAIN]: A1, [ALL]: B1 },
    { [MAIN]: A1, [ALL]: B1 + words },
    { [MAIN]: A1, [ALL]: B1 },
  )
  const plan = await channel.history.plan(3)
  t.is(await stanzasThrough(index, number, { log: channel.log, plan }, 'aa'), null)
  t.alike((await stanzasThrough(index, number, { log: channel.log, plan }, 'bb'))?.length, 1)
})

test('package history: an index that points to the stanza of another package, or to none → null', async (t) => {
  const { channel } = await published(t, main(A1, B1))
  const plan = await channel.history.plan(1)
  const block = plan.indexes[0]?.runs[0]?.block ?? 0
  const digest = sha256('x').toString('hex') as AddedPackage['digest']
  const core = channel.store.cores.get({ name: 'lying' })
  await core.ready()
  const added = ['aa', 'cc', 'dd'].map((name, i) => {
    const ordinal = [1, 0, 99][i] ?? 0 // that of bb, that of aa, none
    return { name, version: '1', architecture: 'amd64', digest, block, ordinal }
  })
  await PackageIndex.update(core, 1, { added, removed: [] })
  const lying = PackageIndex.at(core, core.length)
  for (const name of ['aa', 'cc', 'dd']) {
    t.is(await stanzasThrough(lying, 1, { log: channel.log, plan }, name), null, name)
  }
  await core.close()
})
