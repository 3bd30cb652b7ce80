/** Differences of snapshots: what is read for them, within a channel and between two. */
import test, { type Assert } from 'brittle'
import { COMPARED_STANZAS_MAX, NOTIFIED_CHANGES_MAX } from '../../schemas/limits.ts'
import { readPackageFiles } from '../../store/package-files.ts'
import { differenceOfSnapshots, type SnapshotOf } from '../../store/snapshot-difference.ts'
import { ALL, type Indexes, MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const main = (...stanzas: string[]): Indexes => ({ [MAIN]: stanzas.join('') })
const [A1, A2, B1] = [stanza('aa', '1'), stanza('aa', '2'), stanza('bb', '1')]
const crowd = (count: number): string[] => Array.from({ length: count }, (_, i) => stanza(`pkg${i}`, '1'))

async function published(t: Assert, ...releases: Indexes[]): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  for (const indexes of releases) await channel.publish(indexes)
  return channel
}

async function at({ log, history }: TestChannel, number: number): Promise<SnapshotOf> {
  return { log, plan: await history.plan(number) }
}

async function told(before: SnapshotOf, after: SnapshotOf): Promise<string[]> {
  const differences = await differenceOfSnapshots(before, after)
  return differences.map(({ kind, before: from, after: to }) =>
    [kind, (to ?? from)?.name, from?.version ?? '-', to?.version ?? '-'].join(' '),
  )
}

/** Blocks of the log that `action` reads. */
async function blocksRead({ log }: TestChannel, action: () => Promise<unknown>): Promise<number[]> {
  const read = new Set<number>()
  const block = log.block.bind(log)
  log.block = async (position, options) => {
    read.add(position)
    return block(position, options)
  }
  await action()
  log.block = block
  return [...read]
}

test('snapshot difference: more packages than a notification lists → all of them, each once', async (t) => {
  const many = crowd(NOTIFIED_CHANGES_MAX + 100)
  const channel = await published(t, main(A1), { [MAIN]: [A2, ...many].join(''), [ALL]: many.join('') })
  const differences = await told(await at(channel, 1), await at(channel, 2))
  t.is(differences.length, many.length + 1)
  t.is(differences[0], 'upgraded aa 1 2')
  t.is(differences.filter((line) => line.startsWith('added')).length, many.length)
})

test('snapshot difference: within a channel → only blocks with what differs are read', async (t) => {
  const same = crowd(3_000)
  const channel = await published(t, main(A1, ...same), main(A2, ...same), main(A2, ...same, B1))
  const [first, last] = [await at(channel, 1), await at(channel, 3)]
  const newer = last.plan.indexes.flatMap(({ runs }) => runs.map(({ block }) => block))
  const read = await blocksRead(channel, () => told(first, last))
  t.ok(new Set(newer).size > read.length, `${read.length} of ${new Set(newer).size} blocks`)
  t.is(read.length, 3, 'the old stanza, and the two that came')
  t.alike(await blocksRead(channel, () => told(last, last)), [])
})

test('snapshot difference: the same packages in other words → changed within a channel, nothing between two', async (t) => {
  const words = stanza('aa', '1', { section: 'web' })
  const rebuilt = stanza('aa', '1', { content: 'rebuilt' })
  const [one, other] = [
    await published(t, main(A1, B1), main(words, B1)),
    await published(t, main(B1, words), main(rebuilt)),
  ]
  t.alike(await told(await at(one, 1), await at(one, 2)), ['changed aa 1 1'])
  t.alike(await told(await at(one, 1), await at(other, 1)), [])
  t.alike(await told(await at(one, 1), await at(other, 2)), ['changed aa 1 1', 'removed bb 1 -'])
})

test('snapshot difference: more than can be compared, an interruption → refused before anything is read', async (t) => {
  const channel = await published(t, main(A1))
  const runs = [{ block: 1, first: 0, count: COMPARED_STANZAS_MAX + 1 }]
  const read = await blocksRead(channel, async () => {
    t.is(await codeOf(readPackageFiles(channel.log, runs)), 'COMPARISON_TOO_LARGE')
    const signal = AbortSignal.abort()
    t.is(await codeOf(readPackageFiles(channel.log, [{ block: 1, first: 0, count: 1 }], { signal })), 'INTERRUPTED')
  })
  t.alike(read, [])
})
