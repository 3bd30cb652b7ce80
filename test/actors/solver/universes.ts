/** Small universes for tests, written as control files write them. */
import fc from 'fast-check'
import { readCandidates } from '../../../actors/solver/read-candidates.ts'
import type { Candidate } from '../../../actors/solver/candidate.ts'
import { RelationParser } from '../../../schemas/relation.ts'

const parser = new RelationParser()
const ZEROS = '0'.repeat(64)

/** `NAME VERSION [FIELD: VALUE]...`, one package a line, fields separated by `;`. `Architecture` is amd64 unless it is given. */
export function candidates(...lines: readonly string[]): Candidate[] {
  const stanzas = lines.map((line) => {
    const [head = '', ...fields] = line.split(';').map((part) => part.trim())
    const [name = '', version = '1'] = head.split(' ')
    const own = fields.some((field) => field.startsWith('Architecture:')) ? [] : ['Architecture: amd64']
    const file = [`Filename: pool/${name}_${version}.deb`, 'Size: 10', `SHA256: ${ZEROS}`]
    return [`Package: ${name}`, `Version: ${version}`, ...own, ...fields, ...file].join('\n')
  })
  return readCandidates(Buffer.from(`${stanzas.join('\n\n')}\n`), 'Packages', parser)
}

export function candidate(line: string): Candidate {
  return candidates(line)[0] as Candidate
}

const NAMES = ['aa', 'bb', 'cc', 'dd'] as const
const wanted = fc
  .tuple(fc.constantFrom(...NAMES, 'vv'), fc.constantFrom('', '', '', ' (>= 2)', ' (<< 2)', ' (= 1)', ':any'))
  .map((parts) => parts.join(''))
const alternatives = fc.array(wanted, { minLength: 1, maxLength: 2 }).map((names) => names.join(' | '))
const list = (of: fc.Arbitrary<string>, name: string): fc.Arbitrary<string> =>
  fc.array(of, { maxLength: 2 }).map((items) => (items.length === 0 ? '' : `${name}: ${items.join(', ')}`))

/** A line for `candidates`. */
const line = fc
  .tuple(
    fc.constantFrom(...NAMES),
    fc.constantFrom('1', '2'),
    fc.constantFrom('', '', 'Architecture: i386', 'Architecture: all'),
    fc.constantFrom('', '', 'Multi-Arch: same', 'Multi-Arch: foreign', 'Multi-Arch: allowed'),
    list(alternatives, 'Depends'),
    list(alternatives, 'Pre-Depends'),
    list(
      wanted.filter((text) => !text.includes('any')),
      'Conflicts',
    ),
    list(wanted, 'Breaks'),
    fc.constantFrom('', '', 'Provides: vv', 'Provides: vv (= 2)', 'Provides: aa'),
    fc.constantFrom('', '', '', '', '', 'Essential: yes'),
  )
  .map(([name, version, ...fields]) => [`${name} ${version}`, ...fields.filter((text) => text !== '')].join('; '))

export const lines = fc.array(line, { minLength: 1, maxLength: 7 })

/** Every set of these packages, the empty one too. */
export function* subsets<Item>(items: readonly Item[]): Iterable<Item[]> {
  for (let bits = 0; bits < 2 ** items.length; bits++) yield items.filter((_, i) => (bits >> i) & 1)
}
