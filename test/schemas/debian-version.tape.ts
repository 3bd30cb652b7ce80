import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import test from 'tape'
import { compareVersions, isVersion } from '../../schemas/debian-version.ts'
import { skipUnless } from '../helpers/requires.ts'

/** Each row in rising order. */
const RISING = [
  ['~~', '~~a', '~', '', 'a'], // the example of Policy 5.6.12
  ['1.0~beta1~svc1', '1.0~beta1', '1.0', '1.0-1~bpo12+1', '1.0-1', '1.0-1+b1', '1.0-1.1', '1.0+dfsg-1', '1.0.1'],
  ['1.9', '1.10', '1.10a', '1.10b', '1.10.1', '2'],
  ['99999999999999999998', '99999999999999999999', '100000000000000000000'],
  ['9:9', '10:1', '11:0'],
  ['1.2', '1:0.1', '2:0~'],
  ['1a', '1+', '1.'],
  ['1-1-1', '1-1-2', '1-2-1'],
  ['12.2.0-9', '12.2.0-14+deb12u1', '12.2.0-14+deb12u10'],
]

const EQUAL = [
  ['1.0', '1.00', '0:1.0', '1.0-0', '00:1.0-00'],
  ['1.0-', '1.0'],
  ['1~', '1~0'],
]

const version = fc
  .tuple(
    fc.option(fc.nat({ max: 3 })),
    fc.string({ unit: fc.constantFrom(...'0019a~.+-Z'), maxLength: 8 }),
    fc.option(fc.string({ unit: fc.constantFrom(...'01a~.+'), minLength: 1, maxLength: 4 })),
  )
  .map(([epoch, upstream, revision]) => {
    const tail = revision === null ? '' : `-${revision}`
    return `${epoch === null ? '' : `${epoch}:`}1${upstream}${tail}`
  })
  .filter(isVersion)

test('debian version: two versions of the table → their order', (t) => {
  for (const row of RISING) {
    row.forEach((a, i) => {
      row.forEach((b, j) => {
        t.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`)
      })
    })
  }
  for (const row of EQUAL) for (const a of row) for (const b of row) t.equal(compareVersions(a, b), 0, `${a} = ${b}`)
  t.end()
})

test('debian version: any texts → a total order', (t) => {
  const anything = fc.oneof(version, fc.string({ unit: 'binary', maxLength: 8 }))
  fc.assert(
    fc.property(anything, anything, anything, (a, b, c) => {
      const ab = Math.sign(compareVersions(a, b))
      if (compareVersions(a, a) !== 0) return false
      if (ab !== -Math.sign(compareVersions(b, a))) return false
      const bc = Math.sign(compareVersions(b, c))
      if (ab === bc || ab === 0 || bc === 0) return Math.sign(compareVersions(a, c)) === (ab === 0 ? bc : ab)
      return true
    }),
    { numRuns: 5000 },
  )
  t.pass('reflexive, antisymmetric, transitive')
  t.end()
})

test('debian version: what is and what is not a version', (t) => {
  const good = ['0', '1.0', '1:1.0-1', '1-1-1', '1:1:1', '0~~', '2147483647:1', 'v1', '1.0+dfsg~rc1-1.1~deb12u1']
  const bad = ['', '1:', ':1', '1-', '-1', '1:-1', 'a:1', '1_0', '1 0', '1.0-1:2', '1.0\n', 'é', '2147483648:1', '1/2']
  for (const text of good) t.ok(isVersion(text), text)
  for (const text of [...bad, '1'.repeat(256)]) t.notOk(isVersion(text), JSON.stringify(text.slice(0, 20)))
  t.end()
})

const skip = skipUnless('dpkg')
test('debian version: generated pairs → the order that dpkg gives', { skip: skip ?? false }, (t) => {
  const near = fc.tuple(version, version, fc.nat({ max: 5 })).map(([a, b, cut]): [string, string] => {
    const mixed = a.slice(0, cut) + b.slice(cut) // shares a head with a: most random pairs differ at once
    return [a, isVersion(mixed) ? mixed : b]
  })
  // Random pairs are seldom equal, or all on one side: the tables see to it that each answer is asked for.
  const known = [...RISING, ...EQUAL].flatMap((row) =>
    row.slice(1).map((b, index): [string, string] => [row[index] ?? '', b]),
  )
  const pairs = [
    ...known.flatMap(([a, b]): [string, string][] => [
      [a, b],
      [b, a],
    ]),
    ...fc.sample(near, 300),
  ].filter(
    ([a, b]) => isVersion(a) && isVersion(b), // Policy's own example has texts that dpkg itself refuses
  )
  const script = `while read -r a b; do
    if dpkg --compare-versions "$a" lt "$b"; then echo -1
    elif dpkg --compare-versions "$a" gt "$b"; then echo 1
    else echo 0; fi; done`
  const input = pairs.map(([a, b]) => `${a} ${b}\n`).join('')
  const answers = spawnSync('sh', ['-c', script], { input, encoding: 'utf8' }).stdout.trim().split('\n').map(Number)
  t.equal(answers.length, pairs.length, 'dpkg answered for every pair')
  const wrong = pairs.filter(([a, b], index) => Math.sign(compareVersions(a, b)) !== answers[index])
  t.deepEqual(wrong, [], 'every pair agrees')
  t.ok(new Set(answers).size === 3, 'all three answers occurred')
  t.end()
})
