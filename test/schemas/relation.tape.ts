import fc from 'fast-check'
import test from 'tape'
import { compareVersions, isVersion } from '../../schemas/debian-version.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { readPackageRelations } from '../../schemas/package-relations.ts'
import { admitsVersion, groupText, RelationParser } from '../../schemas/relation.ts'
import type { RelationField, RelationGroup } from '../../schemas/relation.ts'
import { refusalOf } from '../helpers/refusal.ts'

function parse(field: RelationField, text: string, parser = new RelationParser()): RelationGroup[] {
  const bytes = Buffer.from(`${field}:${text}\n`)
  return parser.parse(field, bytes, field.length + 1, bytes.length)
}

const again = (field: RelationField, text: string): string => parse(field, text).map(groupText).join(', ')

test('relation: fields as Policy 7 writes them → their groups, in one form', (t) => {
  const rows: readonly [RelationField, string, string][] = [
    ['Depends', 'libc6 (>= 2.2.1), default-mta | mail-transport-agent', ''],
    ['Depends', 'libc6(>=2.2.1),exim|mail-transport-agent', 'libc6 (>= 2.2.1), exim | mail-transport-agent'],
    ['Pre-Depends', '  dpkg\t( >= 1.15.6~ ) ', 'dpkg (>= 1.15.6~)'],
    ['Depends', 'foo,\n bar\n (= 1),\n\tbaz', 'foo, bar (= 1), baz'],
    ['Depends', 'perl:any, gcc:native, libc6:i386 (= 2.36-9)', ''],
    ['Depends', 'old (< 1), older (> 2)', 'old (<= 1), older (>= 2)'],
    ['Provides', 'mail-transport-agent, libfoo (= 1:2~rc1-3)', ''],
    ['Conflicts', 'aa (<< 1), bb (>> 2), cc', ''],
    ['Suggests', 'g++ | c++-compiler', ''],
    ['Depends', '', ''],
    ['Depends', ' \n', ''],
  ]
  for (const [field, text, form] of rows) t.equal(again(field, text), form || text.trim(), text)
  t.end()
})

test('relation: what no field may say → RELATION_INVALID, which names the field', (t) => {
  const rows: readonly [RelationField, string][] = [
    ['Depends', 'a,'],
    ['Depends', ',a'],
    ['Depends', 'a,,b'],
    ['Depends', 'a |'],
    ['Depends', 'a b'],
    ['Depends', 'A'],
    ['Depends', 'x'], // a name has two characters at least
    ['Depends', 'aa (1)'],
    ['Depends', 'aa (>= )'],
    ['Depends', 'aa (>= 1'],
    ['Depends', 'aa (>= 1) (<< 2)'],
    ['Depends', 'aa (=> 1)'],
    ['Depends', 'aa (= a_b)'],
    ['Depends', 'aa [amd64]'],
    ['Depends', 'aa <!nocheck>'],
    ['Depends', 'aa:'],
    ['Depends', '${shlibs:Depends}'],
    ['Conflicts', 'aa | bb'],
    ['Provides', 'aa (>= 1)'],
    ['Depends', 'a'.repeat(300)],
    ['Depends', 'aa\u0000'],
    ['Depends', Array.from({ length: 20_000 }, () => 'aa').join(',')],
    ['Depends', Array.from({ length: 2_000 }, () => 'aa').join('|')],
  ]
  for (const [field, text] of rows) {
    t.equal(
      refusalOf(() => parse(field, text)),
      'RELATION_INVALID',
      `${field}: ${JSON.stringify(text.slice(0, 30))}`,
    )
    try {
      parse(field, text)
    } catch (error) {
      t.ok(error instanceof FreshetError && error.message.startsWith(`${field}: `) && error.message.length < 200)
    }
  }
  t.end()
})

const version = fc
  .string({ unit: fc.constantFrom(...'019a~.+-'), minLength: 1, maxLength: 5 })
  .map((text) => `1${text}`)
const relation = fc.record({
  name: fc.constantFrom('aa', 'libc6', 'g++', 'x11-common'),
  qualifier: fc.constantFrom(null, 'any', 'native', 'i386'),
  bound: fc.option(fc.tuple(fc.constantFrom('<<', '<=', '=', '>=', '>>'), version.filter(isVersion))),
})
const field = fc.array(fc.array(relation, { minLength: 1, maxLength: 3 }), { maxLength: 6 }).map((groups) =>
  groups
    .map((group) =>
      group
        .map(({ name, qualifier, bound }) => {
          return `${name}${qualifier === null ? '' : `:${qualifier}`}${bound === null ? '' : ` (${bound.join(' ')})`}`
        })
        .join(' | '),
    )
    .join(', '),
)

test('relation: any field → parsed and written again it is the same, and equal groups are one object', (t) => {
  const parser = new RelationParser()
  fc.assert(
    fc.property(field, (text) => {
      const [groups, others] = [parse('Depends', text, parser), parse('Depends', text, parser)]
      return groups.map(groupText).join(', ') === text && groups.every((group, i) => group === others[i])
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const verdict = refusalOf(() => parse('Depends', text, parser))
      return verdict === 'accepted' || verdict === 'RELATION_INVALID'
    }),
  )
  t.end()
})

test('relation: any version against any bound → as the order of versions says', (t) => {
  fc.assert(
    fc.property(version.filter(isVersion), version.filter(isVersion), (held, bound) => {
      const [[all] = []] = parse('Depends', `aa (>= ${bound})`)
      const [[less] = []] = parse('Depends', `aa (<< ${bound})`)
      if (all === undefined || less === undefined) return false
      const isLess = compareVersions(held, bound) < 0
      return admitsVersion(less, held) === isLess && admitsVersion(all, held) === !isLess
    }),
  )
  t.end()
})

function relationsOf(stanza: string): ReturnType<typeof readPackageRelations> {
  const bytes = Buffer.from(`junk: before\n\n${stanza}\nDepends: of-another\n`)
  return readPackageRelations(bytes, 14, 14 + Buffer.byteLength(stanza), new RelationParser(), 'pp')
}

test('package relations: a stanza → its fields in any case and over several lines, and no other', (t) => {
  const found = relationsOf(
    'Package: pp\nDEPENDS: aa,\n bb\nDepends-On: no\nDescription: Depends: no\n Breaks: no\npre-depends:cc\n' +
      'Multi-Arch: same\nEssential: yes\nProtected: no\nProvides: dd (= 1)\nBreaks: ee (<< 2)\nConflicts:\n',
  )
  t.deepEqual(found.depends.map(groupText), ['aa', 'bb'])
  t.deepEqual(found.preDepends.map(groupText), ['cc'])
  t.deepEqual(found.provides.map(groupText), ['dd (= 1)'])
  t.deepEqual(found.breaks.map(groupText), ['ee (<< 2)'])
  t.deepEqual(found.conflicts, [])
  t.deepEqual([found.multiArch, found.essential, found.protected, found.fault], ['same', true, false, null])
  t.end()
})

test('package relations: a malformed field → a fault that names package and field, and no relations', (t) => {
  const { fault, depends } = relationsOf('Package: pp\nDepends: aa\nBreaks: b b\n')
  t.equal(fault?.code, 'RELATION_INVALID')
  t.deepEqual(fault?.detail, { field: 'Breaks', package: 'pp' })
  t.deepEqual(depends, [])
  t.end()
})
