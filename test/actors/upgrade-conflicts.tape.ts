/** Upgrades that do not go with what a machine has, by what either side says. */
import test from 'tape'
import { tellChanges } from '../../actors/package-filter.ts'
import type { ChangeFacts } from '../../actors/package-filter.ts'
import { upgradeConflicts } from '../../actors/upgrade-conflicts.ts'
import type { InstalledPackage } from '../../schemas/installed-packages.ts'
import { EVERYTHING } from '../../schemas/subscription.ts'
import { candidate } from './solver/universes.ts'

/** As universes.ts writes packages. */
const has = (...texts: readonly string[]): InstalledPackage[] =>
  texts.map((text) => ({ ...candidate(text), held: false }))
const upgraded = (text: string, more: Partial<ChangeFacts> = {}): ChangeFacts => {
  const { name, version, architecture, relations } = candidate(text)
  const rank = { section: '', priority: 'optional', urgency: null } as const
  return { kind: 'upgraded', name, architecture, from: '1', to: version, byteLength: 1, rank, relations, ...more }
}
const conflictsOf = (
  changes: readonly ChangeFacts[],
  ...texts: readonly string[]
): ReadonlyMap<string, readonly string[]> => {
  const installed = has(...texts)
  return upgradeConflicts(
    changes,
    installed,
    new Map(installed.map((one) => [`${one.name} ${one.architecture}`, one.version])),
  )
}
const found = (changes: readonly ChangeFacts[], ...installed: readonly string[]): unknown =>
  Object.fromEntries(conflictsOf(changes, ...installed))

test('upgrade conflicts: either side says so → the package that is in the way', (t) => {
  t.deepEqual(found([upgraded('lib 2; Breaks: app (<< 2)')], 'lib 1', 'app 1', 'other 1'), { 'lib amd64': ['app'] })
  t.deepEqual(found([upgraded('lib 2')], 'lib 1', 'app 1; Conflicts: lib (>= 2)'), { 'lib amd64': ['app'] })
  t.deepEqual(found([upgraded('lib 2; Conflicts: mta')], 'lib 1', 'mailer 1; Provides: mta'), {
    'lib amd64': ['mailer'],
  })
  t.end()
})

test('upgrade conflicts: what is upgraded along, is not installed, or is no upgrade → none', (t) => {
  const both = [upgraded('lib 2; Breaks: app (<< 2)'), upgraded('app 2')]
  t.deepEqual(found(both, 'lib 1', 'app 1'), {}, 'the same release mends it')
  t.deepEqual(found([upgraded('lib 2; Conflicts: app')], 'app 1'), {}, 'lib is not installed')
  t.deepEqual(found([upgraded('lib 2; Conflicts: app')], 'lib 3', 'app 1'), {}, 'the machine has a newer one')
  t.deepEqual(
    found([upgraded('lib 2', { to: null, relations: null })], 'lib 1', 'app 1; Conflicts: lib (>= 2)'),
    {},
    'it is gone',
  )
  t.deepEqual(
    found(
      [upgraded('lib 2; Multi-Arch: same')],
      'lib 1; Multi-Arch: same',
      'lib 1; Multi-Arch: same; Architecture: i386',
    ),
    {},
    'its twin',
  )
  t.end()
})

test('upgrade conflicts: in a notification → a reason of its own', (t) => {
  const changes = [upgraded('lib 2; Breaks: app'), upgraded('app 1')]
  const installed = new Map([
    ['lib amd64', '1'],
    ['app amd64', '1'],
  ])
  const conflicts = conflictsOf(changes, 'lib 1', 'app 1')
  const told = tellChanges(changes, { subscription: EVERYTHING, installed, conflicts, isSecurity: false })
  t.deepEqual(told.why, { upgrade: 1, security: 0, new: 0, conflicts: 1 })
  t.deepEqual(
    told.changes?.map(({ name, conflicts: of }) => [name, of]),
    [
      ['lib', ['app']],
      ['app', []],
    ],
  )
  t.end()
})
