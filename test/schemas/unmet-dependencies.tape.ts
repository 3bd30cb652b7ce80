import test from 'tape'
import { splitStanzas } from '../../schemas/stanza.ts'
import { unmetDependencies } from '../../schemas/unmet-dependencies.ts'

/** `NAME VERSION`, then fields. */
function unmet(...packages: readonly (readonly [what: string, ...fields: string[]])[]): string[] {
  const text = packages.map(([what, ...fields]) => {
    const [name, version] = what.split(' ')
    return `Package: ${name}\nVersion: ${version}\n${fields.map((field) => `${field}\n`).join('')}\n`
  })
  const bytes = Buffer.from(text.join(''))
  return unmetDependencies([{ bytes, offsets: splitStanzas(bytes) }]).map(({ name, clause }) => `${name}: ${clause}`)
}

const CASES: Readonly<Record<string, [string[], ...(readonly [string, ...string[]])[]]>> = {
  'nothing is asked for': [[], ['a 1']],
  'what is there': [[], ['a 1', 'Depends: b, c (>= 2)', 'Pre-Depends: b'], ['b 1'], ['c 2']],
  'what is missing': [['a: nobody'], ['a 1', 'Depends: b, nobody'], ['b 1']],
  'an alternative': [[], ['a 1', 'Depends: nobody | b'], ['b 1']],
  'no alternative': [['a: nobody | b (>> 1)'], ['a 1', 'Depends: nobody | b (>> 1)'], ['b 1']],
  'every relation': [
    ['a: b (<< 2)', 'c: b (= 1)', 'd: b (>> 2)', 'e: b (>= 3)', 'f: b (<= 1)'],
    ['a 1', 'Depends: b (<< 2)'],
    ['c 1', 'Depends: b (= 1)'],
    ['d 1', 'Depends: b (>> 2)'],
    ['e 1', 'Depends: b (>= 3)'],
    ['f 1', 'Depends: b (<= 1)'],
    ['g 1', 'Depends: b (= 2), b (>= 2), b (<= 2), b (<< 3), b (>> 1)'],
    ['b 2'],
  ],
  'a virtual name': [[], ['a 1', 'Depends: mta'], ['b 1', 'Provides: mta']],
  'a version of a virtual name without one': [
    ['a: mta (>= 1)'],
    ['a 1', 'Depends: mta (>= 1)'],
    ['b 1', 'Provides: mta'],
  ],
  'a virtual name with a version': [[], ['a 1', 'Depends: mta (>= 1)'], ['b 1', 'Provides: mta (= 2)']],
  'what depends on what is broken': [
    ['a: b', 'b: c', 'c: nobody'],
    ['a 1', 'Depends: b'],
    ['b 1', 'Depends: c'],
    ['c 1', 'Depends: nobody'],
  ],
  'a circle that holds': [[], ['a 1', 'Depends: b'], ['b 1', 'Depends: a']],
  'several lines, qualifiers': [[], ['a 1', 'Depends: b:any (>= 1),\n c'], ['b 1'], ['c 1']],
}

for (const [what, [expected, ...packages]] of Object.entries(CASES)) {
  test(`unmet dependencies: ${what} → ${expected.join(', ') || 'none'}`, (t) => {
    t.deepEqual(unmet(...packages), expected)
    t.end()
  })
}
