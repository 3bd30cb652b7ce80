/** What a person may ask of a fork, and what is refused because it is not what its name says. */
import test from 'tape'
import { NO_CHANGES } from '../../schemas/curate.ts'
import type { CuratedPackage, ForkChanges } from '../../schemas/curate.ts'
import { editFork } from '../../schemas/fork-edit.ts'
import type { ForkEdit } from '../../schemas/fork-edit.ts'
import { CURATED_MAX } from '../../schemas/limits.ts'
import { ALL, MAIN, stanza } from '../helpers/channel.ts'
import { curated } from '../helpers/fork.ts'
import { refusalOf } from '../helpers/refusal.ts'

const of = (name: string, version: string, path = MAIN): CuratedPackage => curated(stanza(name, version), path)
const HAS = new Map([['aa', [of('aa', '1')]]])

function after(...edits: readonly ForkEdit[]): ForkChanges {
  return edits.reduce((changes, edit) => editFork(changes, edit, HAS), NO_CHANGES)
}

function listed({ own, pinned, removed, rules }: ForkChanges): string[] {
  return [
    ...own.map(({ name, version }) => `${name} ${version}`),
    ...pinned.map(({ name, version }) => `pin ${name} ${version}`),
    ...[...removed].map((name) => `no ${name}`),
    ...[...rules].map(([name, rule]) => `${name} ${rule}`),
  ]
}

const ADD: ForkEdit = { edit: 'add', packages: [of('own', '1')] }
const REPLACE: ForkEdit = { edit: 'replace', packages: [of('aa', '1+ours')] }
const PIN: ForkEdit = { edit: 'pin', packages: [of('aa', '0')] }
const REMOVE: ForkEdit = { edit: 'remove', names: ['aa'] }

const DONE: Readonly<Record<string, [string[], ...ForkEdit[]]>> = {
  'added and replaced': [['aa 1+ours', 'own 1'], ADD, REPLACE],
  'a newer one of ours takes the place of the one before': [
    ['own 2'],
    ADD,
    { edit: 'add', packages: [of('own', '2')] },
  ],
  'one name in two index files': [['own 1', 'own 1'], ADD, { edit: 'add', packages: [of('own', '1', ALL)] }],
  'a pin beside a package of ours': [['aa 1+ours', 'pin aa 0'], REPLACE, PIN],
  'replaced after it was pinned, or left out': [['aa 1+ours'], PIN, REMOVE, REPLACE],
  'left out, with all that was said of it': [
    ['no aa'],
    REPLACE,
    PIN,
    { edit: 'rule', names: ['aa'], rule: 'newer' },
    REMOVE,
  ],
  'ours alone, taken away: nothing is left to say': [[], ADD, { edit: 'remove', names: ['own'] }],
  'given back': [['own 1'], ADD, REPLACE, PIN, { edit: 'reset', names: ['aa'] }],
}

for (const [what, [expected, ...edits]] of Object.entries(DONE)) {
  test(`fork edit: ${what}`, (t) => {
    t.deepEqual(listed(after(...edits)), expected)
    t.end()
  })
}

const REFUSED: Readonly<Record<string, [string, ...ForkEdit[]]>> = {
  'adding what upstream has': ['CURATION_REFUSED', { edit: 'add', packages: [of('aa', '2')] }],
  'replacing what upstream has not': ['CURATION_REFUSED', { edit: 'replace', packages: [of('zz', '2')] }],
  'leaving out what nobody has': ['CURATION_REFUSED', { edit: 'remove', names: ['zz'] }],
  'other bytes for a version of ours': [
    'VERSION_REUSE',
    ADD,
    { edit: 'add', packages: [curated(stanza('own', '1', { content: 'other' }))] },
  ],
  'other bytes for a version of theirs': [
    'VERSION_REUSE',
    { edit: 'replace', packages: [curated(stanza('aa', '1', { content: 'other' }))] },
  ],
  'more than a curation holds': [
    'CURATION_REFUSED',
    { edit: 'add', packages: Array.from({ length: CURATED_MAX + 1 }, (_, i) => of(`own${i}`, '1')) },
  ],
}

for (const [what, [code, ...edits]] of Object.entries(REFUSED)) {
  test(`fork edit: ${what} → ${code}`, (t) => {
    t.equal(
      refusalOf(() => after(...edits)),
      code,
    )
    t.end()
  })
}

test('fork edit: the rule or the policy that there is → the very same changes, so that no release is made of it', (t) => {
  t.equal(after({ edit: 'rule', names: [], rule: 'keep-ours' }, { edit: 'auto', names: [], auto: 'off' }), NO_CHANGES)
  t.end()
})
