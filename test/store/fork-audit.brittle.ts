/** An audit of a fork: what it stands on, what it says it changes, and every index file and look-up, from both logs. */
import test from 'brittle'
import { NO_CHANGES } from '../../schemas/curate.ts'
import type { ForkChanges } from '../../schemas/curate.ts'
import { encodeEvent } from '../../schemas/events.ts'
import type { Release } from '../../schemas/events.ts'
import { readRelease } from '../../store/release-block.ts'
import { auditOf, failuresOf } from '../helpers/audit.ts'
import { ALL, MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { curated, TestFork } from '../helpers/fork.ts'

const [A1, B1, C1, OURS, OWN] = [
  stanza('aa', '1'),
  stanza('bb', '1'),
  stanza('cc', '1'),
  stanza('bb', '1+ours1'),
  stanza('own', '1'),
]

async function honestFork(t: Parameters<typeof TestFork.create>[0], releases: number): Promise<TestFork> {
  const upstream = await TestChannel.create(t, 'upstream')
  const upstreamIndexes = (i: number): Record<string, string> => {
    return { [MAIN]: stanza('aa', String(i)) + stanza('bb', i % 7 === 0 ? '9' : '1') }
  }
  await upstream.publish(upstreamIndexes(1))
  const fork = await TestFork.create(t, upstream)
  await fork.publish(1, { ...NO_CHANGES, rule: 'newer', own: [curated(OURS), curated(OWN)] })
  for (let number = 2; number <= releases; number++) {
    await upstream.publish(upstreamIndexes(number))
    const changes = await fork.changes()
    const more = number % 5 === 0 ? [curated(stanza('own', String(number)))] : []
    const own = [...changes.own.filter(({ name }) => more.length === 0 || name !== 'own'), ...more]
    await fork.publish(number, { ...changes, own })
  }
  return fork
}

test(
  'audit: an honest fork of 70 releases → all of it holds, in full and from the middle on',
  { timeout: 120_000 },
  async (t) => {
    const fork = await honestFork(t, 70)
    const { upstream } = fork
    const report = await auditOf(t, fork, { upstream })
    t.alike([failuresOf(report), report.unchecked, report.releases], [[], [], 70])
    const later = await auditOf(t, fork, { upstream, since: 67 })
    t.alike([failuresOf(later), later.releases], [[], 4])
    const alone = await auditOf(t, fork)
    t.alike([alone.ok, failuresOf(alone), alone.unchecked.map(({ code }) => code)], [false, [], ['CHECK_STOPPED']])
  },
)

const LIES: Readonly<Record<string, [string, (release: Release) => Release]>> = {
  'a release that upstream does not have': [
    'UPSTREAM_WRONG',
    (release) => ({
      ...release,
      upstream: { ...(release.upstream as never as object), hash: Buffer.alloc(32) } as never,
    }),
  ],
  'no upstream release': ['UPSTREAM_WRONG', (release) => ({ ...release, upstream: null })],
  'another curation': [
    'CURATION_WRONG',
    (release) => ({ ...release, upstream: { ...(release.upstream as never as object), curationBlock: 1 } as never }),
  ],
  'a script that upstream’s index does not fit': [
    'SCRIPT_INVALID',
    (release) => ({ ...release, indexes: release.indexes.map((index) => ({ ...index, script: [] })) }),
  ],
  'another order of stanzas': [
    'CURATION_NOT_FOLLOWED',
    (release) => ({
      ...release,
      indexes: release.indexes.map((index) => ({ ...index, script: index.script.toReversed() })),
    }),
  ],
}

for (const [what, [code, lie]] of Object.entries(LIES)) {
  test(`audit: a fork whose release names ${what} → ${code}`, async (t) => {
    const upstream = await TestChannel.create(t, 'upstream')
    await upstream.publish({ [MAIN]: A1 + B1 })
    const fork = await TestFork.create(t, upstream)
    await fork.publish(1, { ...NO_CHANGES, own: [curated(OURS)] })
    const newest = fork.history.newest
    const { release } = await readRelease(fork.log, newest?.block ?? 0)
    const { block: signed } = { block: release.signedIndexBlock }
    const headBefore = fork.log.head()
    const next = {
      ...release,
      number: 2,
      publishedAtMs: release.publishedAtMs + 1,
      previous: { block: newest?.block ?? 0, hash: newest?.hash ?? Buffer.alloc(32) },
      signedIndexBlock: fork.log.length,
      headBefore,
      roots: [],
      lateRoots: [],
    }
    await fork.log.core.append([await fork.log.block(signed), encodeEvent({ type: 'release', ...lie(next) })])
    const report = await auditOf(t, fork, { upstream })
    t.is(failuresOf(report)[0]?.split(' ')[0], code)
  })
}

test('audit: a genesis that names a release that upstream does not have → UPSTREAM_WRONG', async (t) => {
  const upstream = await TestChannel.create(t, 'upstream')
  await upstream.publish({ [MAIN]: A1 })
  const other = await TestChannel.create(t, 'other')
  await other.publish({ [MAIN]: B1 })
  const fork = await TestFork.create(t, upstream)
  t.is(failuresOf(await auditOf(t, fork, { upstream: other }))[0], 'UPSTREAM_WRONG block=0')
})

const CURATED: ForkChanges = { ...NO_CHANGES, own: [curated(OURS), curated(OWN)] }
const SILENT: Readonly<Record<string, ForkChanges>> = {
  'leaves a package out': { ...CURATED, removed: new Set(['aa']) },
  "takes upstream's where its rule is to keep its own": { ...CURATED, rule: 'theirs' },
  'lacks one that it says it adds': { ...CURATED, own: [curated(OURS)] },
  'is upstream as it is': NO_CHANGES,
}

for (const [what, changes] of Object.entries(SILENT)) {
  test(`audit: a fork whose release ${what}, unlike its curation → CURATION_NOT_FOLLOWED and nothing else`, async (t) => {
    const upstream = await TestChannel.create(t, 'upstream')
    await upstream.publish({ [MAIN]: A1 + B1 + C1, [ALL]: C1 })
    const fork = await TestFork.create(t, upstream)
    await fork.publish(1, CURATED)
    t.alike(failuresOf(await auditOf(t, fork, { upstream })), [])
    const said = await fork.changes()
    await fork.publish(
      1,
      { ...changes, own: said.own.filter(({ name }) => changes.own.some((own) => own.name === name)) },
      said,
    )
    const failures = failuresOf(await auditOf(t, fork, { upstream }))
    t.ok(failures.length > 0)
    t.alike(
      failures.filter((failure) => !failure.startsWith('CURATION_NOT_FOLLOWED')),
      [],
    )
    t.ok(failures[0]?.includes('release=2'))
    t.alike(failuresOf(await auditOf(t, fork, { upstream, since: 2 })), failures, 'from there on alone, too')
  })
}

test('audit: a fork of an index whose last stanza ends without a blank line, with what is held where it was → holds', async (t) => {
  const upstream = await TestChannel.create(t, 'upstream')
  await upstream.publish({ [MAIN]: A1 + B1.trimEnd() + '\n' })
  const fork = await TestFork.create(t, upstream)
  await fork.publish(1, { ...NO_CHANGES, own: [curated(OWN)] })
  const pinned = await fork.packageOf(1, 'aa', A1)
  await upstream.publish({ [MAIN]: stanza('aa', '2') + B1 })
  await fork.publish(2, { ...(await fork.changes()), pinned: [pinned], removed: new Set(['bb']) })
  t.alike(failuresOf(await auditOf(t, fork, { upstream })), [])
})
