import test from 'tape'
import {
  isSecurityArchive,
  isWorthTelling,
  tellChanges,
  type ChangeFacts,
  type FilterView,
} from '../../actors/package-filter.ts'
import { NOTIFIED_CHANGES_MAX } from '../../schemas/limits.ts'
import type { PackageRank } from '../../schemas/package-rank.ts'
import { EVERYTHING, type Subscription } from '../../schemas/subscription.ts'

const change = (name: string, more: Partial<ChangeFacts> = {}, rank: Partial<PackageRank> = {}): ChangeFacts => ({
  ...{ kind: 'upgraded', name, architecture: 'amd64', from: '1', to: '2', byteLength: 10, relations: null },
  ...more,
  rank: { section: 'misc', priority: 'optional', urgency: null, ...rank },
})
const view = (subscription: Partial<Subscription> = {}, more: Partial<FilterView> = {}): FilterView => {
  return {
    subscription: { ...EVERYTHING, ...subscription },
    installed: null,
    conflicts: new Map(),
    isSecurity: false,
    ...more,
  }
}

const CHANGES = [
  change('bash', {}, { section: 'shells', priority: 'required' }),
  change('libc6', { architecture: 'i386' }, { section: 'libs', urgency: 'emergency' }),
  change('libssl3', {}, { section: 'contrib/libs', urgency: 'low' }),
  change('nano', { kind: 'added', from: null }),
  change('vim', { kind: 'removed', to: null, byteLength: 0 }),
]

test('package filter: each kind of filter, and several together', (t) => {
  const installed = new Map([
    ['bash amd64', '1'],
    ['vim amd64', '1'],
    ['libc6 amd64', '1'],
  ])
  const table: [string, FilterView, string[]][] = [
    ['none', view(), ['bash', 'libc6', 'libssl3', 'nano', 'vim']],
    ['globs', view({ packages: ['lib*', 'ba?h'] }), ['bash', 'libc6', 'libssl3']],
    ['a section, of whatever area', view({ sections: ['libs'] }), ['libc6', 'libssl3']],
    ['a section of an area', view({ sections: ['contrib/libs'] }), ['libssl3']],
    ['a priority', view({ priorities: ['required', 'important'] }), ['bash']],
    ['an architecture', view({ architectures: ['i386', 'all'] }), ['libc6']],
    ['an urgency', view({ urgency: 'high' }), ['libc6']],
    [
      'an urgency, in a security archive',
      view({ urgency: 'high' }, { isSecurity: true }),
      ['bash', 'libc6', 'nano', 'vim'],
    ],
    ['what is installed, of that architecture', view({ installed: true }, { installed }), ['bash', 'vim']],
    ['what is installed, and nobody knows', view({ installed: true }), ['bash', 'libc6', 'libssl3', 'nano', 'vim']],
    ['all together', view({ packages: ['*'], sections: ['shells'], installed: true }, { installed }), ['bash']],
  ]
  for (const [what, of, expected] of table) {
    const told = tellChanges(CHANGES, of)
    t.deepEqual(
      told.changes?.map(({ name }) => name),
      expected,
      what,
    )
    t.equal(told.leftOut, CHANGES.length - expected.length)
  }
  t.end()
})

test('package filter: what a machine has → upgrades from its own version, and what it has already is none', (t) => {
  const installed = new Map([
    ['bash amd64', '0.9'],
    ['libssl3 amd64', '2'],
    ['vim amd64', '1'],
  ])
  const told = tellChanges(CHANGES, view({}, { installed, isSecurity: true }))
  t.deepEqual(told.why, { upgrade: 1, security: 4, new: 1, conflicts: 0 })
  t.deepEqual([told.bytes, told.upgradeBytes], [40, 10])
  t.deepEqual(told.counts, { added: 1, removed: 1, upgraded: 3, downgraded: 0, changed: 0 })
  const of = (name: string) => told.changes?.find((found) => found.name === name)
  t.deepEqual([of('bash')?.installed, of('bash')?.upgrade], ['0.9', true])
  t.deepEqual([of('libssl3')?.installed, of('libssl3')?.upgrade], ['2', false])
  t.deepEqual([of('vim')?.upgrade, of('vim')?.security], [false, false], 'what went is no upgrade')
  t.end()
})

test('package filter: what is worth telling', (t) => {
  t.ok(isWorthTelling(tellChanges(CHANGES, view())))
  t.notOk(isWorthTelling(tellChanges(CHANGES, view({ packages: ['emacs'] }))))
  t.ok(isWorthTelling(tellChanges([], view({ packages: ['emacs'] }))), 'a release that changes nothing is one')
  t.ok(isWorthTelling(tellChanges(null, view({ packages: ['emacs'] }))), 'nor is it known what it changes')
  const many = Array.from({ length: NOTIFIED_CHANGES_MAX + 1 }, (_, i) => change(`p${i}`))
  const told = tellChanges(many, view())
  t.deepEqual([told.changes, told.counts.upgraded], [null, many.length], 'too many to list are counted')
  t.ok(isWorthTelling(told))
  t.end()
})

test('security archive: by suite or label', (t) => {
  for (const suite of [
    'bookworm-security',
    'stable-security',
    'bullseye/updates',
    'noble-security',
    'bookworm-security/main',
  ]) {
    t.ok(isSecurityArchive(suite, ''), suite)
  }
  t.ok(isSecurityArchive('stable', 'Debian-Security'))
  for (const suite of ['bookworm', 'bookworm-updates', 'insecurity', 'updates'])
    t.notOk(isSecurityArchive(suite, 'Debian'), suite)
  t.end()
})
