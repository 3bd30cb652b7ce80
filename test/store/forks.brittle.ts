/** Releases of a fork: scripts over upstream's snapshot, rebuilt byte for byte from both logs, with nothing of upstream copied. */
import test, { type Assert } from 'brittle'
import { levelOf, POSITION_STEP } from '../../schemas/chain-position.ts'
import { NO_CHANGES } from '../../schemas/curate.ts'
import type { ForkChanges } from '../../schemas/curate.ts'
import { decodeEvent } from '../../schemas/events.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import type { History } from '../../store/history.ts'
import { readRelease } from '../../store/release-block.ts'
import { ReleaseFold } from '../../store/release-fold.ts'
import { ALL, MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { curated, readerOf, TestFork } from '../helpers/fork.ts'
import { codeOf, refusalOf } from '../helpers/refusal.ts'

const [A1, A2, B1, C1, D1] = [
  stanza('aa', '1'),
  stanza('aa', '2'),
  stanza('bb', '1'),
  stanza('cc', '1'),
  stanza('dd', '1'),
]
const OURS = stanza('bb', '1+ours1')

function changesOf(changes: Partial<ForkChanges>): ForkChanges {
  return { ...NO_CHANGES, ...changes }
}

/** Stanzas that a release brings to the fork's own log. */
function textsIn({ blocks }: ComposedRelease): number {
  return blocks
    .map((block) => decodeEvent(block))
    .reduce((sum, event) => sum + (event?.type === 'stanzas' ? event.byteLengths.length : 0), 0)
}

async function forkOf(t: Assert, ...releases: Readonly<Record<string, string>>[]): Promise<TestFork> {
  const upstream = await TestChannel.create(t, 'upstream')
  for (const indexes of releases) await upstream.publish(indexes)
  return TestFork.create(t, upstream)
}

test('fork: no changes → the index files of upstream, and no stanza of them', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1, [ALL]: C1 })
  const { composed } = await fork.publish(1, NO_CHANGES)
  t.is(textsIn(composed), 0)
  t.alike(await fork.rebuilt(t, 1), { [MAIN]: A1 + B1, [ALL]: C1 })
  t.alike(composed.changes, { added: [], removed: [] }, 'the look-up index says nothing of what is upstream’s')
})

test('fork: added, replaced, left out → rebuilt byte for byte; only texts of the fork are stored, once', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1 + C1 })
  const changes = changesOf({ own: [curated(OURS), curated(D1)], removed: new Set(['cc']) })
  const first = await fork.publish(1, changes)
  t.is(textsIn(first.composed), 2)
  t.alike(await fork.rebuilt(t, 1), { [MAIN]: A1 + OURS + D1 })
  t.alike(
    first.decisions.map(({ name, taken }) => `${name} ${taken}`),
    ['bb ours', 'cc removed', 'dd ours'],
  )
  const known = await fork.changes()
  t.alike(
    known.own.map(({ name, version }) => `${name} ${version}`),
    ['bb 1+ours1', 'dd 1'],
  )
  const second = await fork.publish(1, { ...known, removed: new Set() })
  t.is(textsIn(second.composed), 0)
  t.alike(await fork.rebuilt(t, 2), { [MAIN]: A1 + OURS + C1 + D1 })
  t.alike(await fork.rebuilt(t, 1), { [MAIN]: A1 + OURS + D1 }, 'the release before is still what it was')
})

test('fork: upstream moves, a version of before is pinned → it is read where upstream has it', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1 }, { [MAIN]: A2 + B1 + C1 })
  const old = (await fork.upstream.history.plan(1)).indexes[0]?.runs[0]
  const place = { block: POSITION_STEP + (old?.block ?? 0), ordinal: 0 }
  await fork.publish(1, changesOf({ pinned: [{ ...curated(A1), place }] }))
  const { composed } = await fork.publish(2, await fork.changes())
  t.is(textsIn(composed), 0)
  t.alike(await fork.rebuilt(t, 2), { [MAIN]: A1 + B1 + C1 })
  const plan = await fork.history.plan(2)
  t.ok(plan.indexes[0]?.runs.every(({ block }) => levelOf(block) === 1))
})

test('fork: a package that upstream overtakes → overruled by its rule, kept in the log, back when upstream falls behind', async (t) => {
  const [b2, b0] = [stanza('bb', '2'), stanza('bb', '0')]
  const fork = await forkOf(t, { [MAIN]: A1 + B1 }, { [MAIN]: A1 + b2 }, { [MAIN]: A1 + b0 })
  await fork.publish(1, changesOf({ rule: 'newer', own: [curated(OURS)] }))
  const overruled = await fork.publish(2, await fork.changes())
  t.alike(
    overruled.composed.changes.removed.map(({ name }) => name),
    ['bb'],
    'its own look-up says that it left',
  )
  const back = await fork.publish(3, await fork.changes())
  t.alike([await fork.rebuilt(t, 2), await fork.rebuilt(t, 3)], [{ [MAIN]: A1 + b2 }, { [MAIN]: A1 + OURS }])
  t.is(textsIn(back.composed), 0, 'from where it was stored first')
  t.alike(
    back.composed.changes.added.map(({ version }) => version),
    ['1+ours1'],
  )
})

test('fork of a fork → its stanzas are in three logs', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1 })
  await fork.publish(1, changesOf({ own: [curated(OURS)] }))
  const second = await TestFork.create(t, fork, 'second')
  const { composed } = await second.publish(1, changesOf({ own: [curated(D1)] }))
  t.is(textsIn(composed), 1)
  t.alike(await second.rebuilt(t, 1), { [MAIN]: A1 + OURS + D1 })
  const { indexes } = await second.history.plan(1)
  t.alike(
    indexes[0]?.runs.map(({ block }) => levelOf(block)),
    [2, 1, 0],
  )
})

test(
  'fork: 130 releases on 130 of upstream → chapters without checkpoints; any release is found by who reads afresh',
  { timeout: 180_000 },
  async (t) => {
    const releases = Array.from({ length: 130 }, (_, i) => ({ [MAIN]: stanza('aa', String(i + 1)) + B1 }))
    const fork = await forkOf(t, ...releases)
    let changes = changesOf({ own: [curated(D1)] })
    for (let number = 1; number <= 130; number++) {
      const { composed } = await fork.publish(number, changes)
      const types = composed.blocks.map((block) => decodeEvent(block)?.type)
      t.absent(types.includes('checkpoint') || types.includes('gathering'))
      changes = await fork.changes()
    }
    for (const number of [1, 64, 65, 100, 130]) {
      t.alike(await fork.rebuilt(t, number), { [MAIN]: stanza('aa', String(number)) + B1 + D1 })
    }
  },
)

test('fork: another release than upstream has, or one that it has not → UPSTREAM_MISMATCH; a log not there yet → NO_PEERS', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1 }, { [MAIN]: A2 })
  const { release } = await fork.upstream.history.plan(1)
  const { number, block, hash } = release
  const above = readerOf(fork.log, fork.upstream).upstream as History
  t.alike((await above.planOf({ number, block, hash })).release, release)
  t.is(await codeOf(above.planOf({ number, block, hash: Buffer.alloc(32) })), 'UPSTREAM_MISMATCH')
  t.is(await codeOf(above.planOf({ number: 2, block, hash })), 'UPSTREAM_MISMATCH')
  t.is(await codeOf(above.planOf({ number, block: 1, hash })), 'UPSTREAM_MISMATCH')
  t.is(await codeOf(above.planOf({ number, block: 1000, hash }, { local: true })), 'NO_PEERS')
})

test('fork: a release that inserts from beyond its upstream release, or from a log that there is not → EVENT_INVALID', async (t) => {
  const fork = await forkOf(t, { [MAIN]: A1 + B1 }, { [MAIN]: A2 })
  await fork.publish(1, NO_CHANGES)
  const { release } = await readRelease(fork.log, fork.history.newest?.block ?? 0)
  const future = (await fork.upstream.history.plan(2)).indexes[0]?.runs[0]?.block ?? 0
  for (const block of [POSITION_STEP + future, 2 * POSITION_STEP + 1, 2 ** 52, fork.log.length + 9]) {
    const index = release.indexes[0] as (typeof release.indexes)[number]
    const script = [{ op: 'drop', count: 2 } as const, { op: 'insert', block, first: 0, count: 1 } as const]
    const { summary } = await readRelease(fork.log, fork.history.newest?.block ?? 0)
    const read = { summary, release: { ...release, indexes: [{ ...index, script }] } }
    const upstream = await fork.upstream.history.plan(1)
    t.is(
      refusalOf(() => new ReleaseFold(null).addFork(read, upstream)),
      'EVENT_INVALID',
    )
  }
})
