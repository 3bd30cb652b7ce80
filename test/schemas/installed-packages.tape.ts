/** What of dpkg's status file counts as installed, and what a stanza that is not as it should be does. */
import test from 'tape'
import { readInstalled } from '../../schemas/installed-packages.ts'
import type { InstalledPackage } from '../../schemas/installed-packages.ts'
import { STATUS_PACKAGES_MAX } from '../../schemas/limits.ts'
import { groupText, RelationParser } from '../../schemas/relation.ts'
import { refusalOf } from '../helpers/refusal.ts'

const stanza = (name: string, status: string, ...more: readonly string[]): string =>
  [`Package: ${name}`, `Status: ${status}`, 'Architecture: amd64', ...more, ''].join('\n')
const read = (...stanzas: readonly string[]): InstalledPackage[] =>
  readInstalled(Buffer.from(stanzas.join('\n')), 'status', new RelationParser())

test('installed packages: each state of dpkg → it counts where its files are there', (t) => {
  for (const [status, held] of [
    ['install ok installed', false],
    ['hold ok installed', true],
    ['install ok unpacked', false],
    ['install ok half-configured', false],
    ['install reinstreq installed', false],
    ['install ok triggers-awaited', false],
    ['deinstall ok triggers-pending', false],
  ] as const) {
    const [found] = read(stanza('bash', status, 'Version: 5.2-1'))
    t.deepEqual(
      [found?.name, found?.version, found?.architecture, found?.held],
      ['bash', '5.2-1', 'amd64', held],
      status,
    )
  }
  for (const status of ['deinstall ok config-files', 'purge ok not-installed', 'install ok half-installed']) {
    t.deepEqual(read(stanza('bash', status)), [], status)
  }
  t.end()
})

test('installed packages: a whole file → in its order, with what each asks for; an empty one has none', (t) => {
  const found = read(
    stanza('vim', 'install ok installed', 'Version: 2:9', 'Depends: libc6 (>= 2.36)', 'Description: x', ' Package: no'),
    stanza('gone', 'deinstall ok config-files', 'Version: 1'),
    `\n${stanza('bash', 'install ok installed', 'Version: 5.2-1')}\n`,
  )
  t.deepEqual(
    found.map(({ name, relations }) => [name, ...relations.depends.map(groupText)]),
    [['vim', 'libc6 (>= 2.36)'], ['bash']],
  )
  t.deepEqual(read(''), [])
  t.deepEqual(read('\n\n'), [])
  t.end()
})

test('installed packages: one stanza is malformed → the whole file is refused', (t) => {
  const good = stanza('bash', 'install ok installed', 'Version: 5.2-1')
  for (const [what, bad] of [
    ['no stanza', 'nonsense\n'],
    ['no Package', 'Status: install ok installed\nVersion: 1\nArchitecture: amd64\n'],
    ['no Status', 'Package: a\nVersion: 1\nArchitecture: amd64\n'],
    ['no Version', stanza('a', 'install ok installed')],
    ['no Architecture', 'Package: a\nStatus: install ok installed\nVersion: 1\n'],
    ['a version that is none', stanza('a', 'install ok installed', 'Version: not a version')],
    ['a field twice', stanza('a', 'install ok installed', 'Version: 1', 'Version: 2')],
    ['a NUL', stanza('a', 'install ok installed', 'Version: 1', 'Description: \0')],
  ] as const) {
    t.equal(
      refusalOf(() => read(good, bad, good)),
      'STATUS_INVALID',
      what,
    )
  }
  const [odd] = read(stanza('odd', 'install ok installed', 'Version: 1', 'Depends: a b'))
  t.equal(odd?.relations.fault?.code, 'RELATION_INVALID', 'a relation that is none is a fault of its package alone')
  t.end()
})

test('installed packages: more than the bound → STATUS_INVALID', (t) => {
  const one = Buffer.from(`${stanza('a', 'install ok installed', 'Version: 1')}\n`)
  const many = Buffer.concat(Array.from({ length: STATUS_PACKAGES_MAX + 1 }, () => one))
  t.equal(
    refusalOf(() => readInstalled(many, 'status', new RelationParser())),
    'STATUS_INVALID',
  )
  t.end()
})
