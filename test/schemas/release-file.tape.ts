import test from 'tape'
import { FreshetError } from '../../schemas/errors.ts'
import { type NewReleaseFile, parseRelease, writeRelease } from '../../schemas/release-file.ts'
import { parseDigest } from '../../schemas/units.ts'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)

const TEXT = `Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
Acquire-By-Hash: yes
Architectures: all amd64 musl-linux-amd64
Components: updates/main  updates/contrib
Description: Debian 12 - Security Updates
MD5Sum:
 0ed6d4c8891eb86358b94bb35d9e4da4  1484322 main/Contents-all
SHA256:
 ${A}  1484322 main/Contents-all
 ${B.toUpperCase()}        0 main/binary-amd64/Packages
`

function refusal(text: string): string {
  try {
    parseRelease(text)
  } catch (error) {
    if (error instanceof FreshetError && error.code === 'RELEASE_MALFORMED') return error.message
    throw error
  }
  return ''
}

test('release file: a good one → its fields', (t) => {
  const release = parseRelease(TEXT)
  t.equal(release.origin, 'Debian')
  t.equal(release.label, 'Debian-Security')
  t.equal(release.suite, 'oldstable-security')
  t.equal(release.codename, 'bookworm-security')
  t.equal(new Date(release.date).toISOString(), '2026-11-21T00:53:02.000Z')
  t.equal(new Date(release.validUntil ?? 0).toISOString(), '2026-11-28T00:53:02.000Z')
  t.equal(release.acquireByHash, true)
  t.deepEqual(release.architectures, ['all', 'amd64', 'musl-linux-amd64'])
  t.deepEqual(release.components, ['updates/main', 'updates/contrib'])
  t.deepEqual(
    [...release.sha256],
    [
      ['main/Contents-all', { byteLength: 1484322, digest: A }],
      ['main/binary-amd64/Packages', { byteLength: 0, digest: B }],
    ],
  )
  t.equal(release.fields.get('Version'), '12')
  t.end()
})

test('release file: only what is required → empty values', (t) => {
  const release = parseRelease('date: Thu, 1 Jan 1970 0:00:01 +0000\nsha256:\n')
  t.deepEqual(
    { ...release, fields: 0, sha256: release.sha256.size },
    {
      origin: '',
      label: '',
      suite: '',
      codename: '',
      date: 1000,
      validUntil: null,
      acquireByHash: false,
      architectures: [],
      components: [],
      sha256: 0,
      fields: 0,
    },
  )
  t.end()
})

test('release file: the same file listed twice → one entry', (t) => {
  t.equal(parseRelease(`${TEXT} ${A} 1484322 main/Contents-all\n`).sha256.size, 2)
  t.end()
})

test('release file: dates that archives write → read as UTC', (t) => {
  const dates = ['Thu, 05 Jan 2017  8:17:00 UTC', 'Thu, 5 Jan 2017 08:17:00 GMT', '5 Jan 2017 08:17:00 Z']
  for (const date of dates) t.equal(parseRelease(`Date: ${date}\nSHA256:\n`).date, Date.UTC(2017, 0, 5, 8, 17), date)
  t.end()
})

test('release file: malformed ones → RELEASE_MALFORMED', (t) => {
  const cases: [string, string][] = [
    ['nothing', ''],
    ['HTML', '<html>404</html>'],
    ['no date', TEXT.replace(/^Date.*\n/m, '')],
    ['31 February', TEXT.replace('21 Nov', '31 Feb')],
    ['unknown month', TEXT.replace('21 Nov', '21 Nix')],
    ['hour 25', TEXT.replace('00:53:02', '25:53:02')],
    ['ISO date', TEXT.replace(/^Date.*/m, 'Date: 2026-11-21T00:53:02Z')],
    ['another zone', TEXT.replace('00:53:02 UTC', '00:53:02 +0100')],
    ['bad Valid-Until', TEXT.replace('28 Nov', 'x')],
    ['no SHA256', TEXT.replace('SHA256:', 'SHA512:')],
    ['two SHA256', `${TEXT}SHA256:\n`],
    ['a path as two files', `${TEXT} ${B} 1484322 main/Contents-all\n`],
    ['a path of two sizes', `${TEXT} ${A} 1484323 main/Contents-all\n`],
    ['a climbing path', `${TEXT} ${A} 1 main/../../x\n`],
    ['an absolute path', `${TEXT} ${A} 1 /x\n`],
    ['a short digest', `${TEXT} ${A.slice(1)} 1 x\n`],
    ['a negative size', `${TEXT} ${A} -1 x\n`],
    ['a line of two words', `${TEXT} ${A} 1\n`],
    ['a line of four words', `${TEXT} ${A} 1 x y\n`],
    ['a second stanza', `${TEXT}\nOrigin: x\n`],
    ['a suite of two lines', TEXT.replace('Suite: ', 'Suite: x\n y')],
    ['an architecture with a slash', TEXT.replace('amd64', 'amd64/..')],
    ['a climbing component', TEXT.replace('updates/main', '../main')],
    ['3 MB', `${TEXT}X: ${'x'.repeat(3_000_000)}\n`],
  ]
  for (const [title, text] of cases) {
    const message = refusal(text)
    t.ok(message !== '' && message.length < 400, `${title}: ${message}`)
  }
  t.end()
})

const NEW: NewReleaseFile = {
  origin: 'Freshet',
  label: 'tools',
  suite: 'stable',
  codename: 'stable',
  date: Date.UTC(2026, 6, 1, 9, 8, 7),
  validUntil: null,
  architectures: ['amd64', 'all'],
  components: ['main'],
  description: 'Our tools',
  sha256: new Map([
    ['main/binary-amd64/Packages', { byteLength: 123, digest: parseDigest(A)! }],
    ['main/binary-all/Packages', { byteLength: 4, digest: parseDigest(B)! }],
  ]),
}

test('release file: written → golden text, and read back the same', (t) => {
  const text = writeRelease(NEW)
  t.equal(
    text,
    `Origin: Freshet
Label: tools
Suite: stable
Codename: stable
Date: Wed, 01 Jul 2026 09:08:07 UTC
Acquire-By-Hash: yes
Architectures: amd64 all
Components: main
Description: Our tools
SHA256:
 ${B}        4 main/binary-all/Packages
 ${A}      123 main/binary-amd64/Packages
`,
  )
  const read = parseRelease(writeRelease({ ...NEW, validUntil: NEW.date + 1000 }))
  t.equal(read.validUntil, NEW.date + 1000)
  t.deepEqual(Object.fromEntries(read.sha256), Object.fromEntries(NEW.sha256))
  t.end()
})

test('release file: values that would add lines → refused when written', (t) => {
  const expected = /Release file: /
  t.throws(() => writeRelease({ ...NEW, description: 'a\nOrigin: Debian' }), expected)
  t.throws(() => writeRelease({ ...NEW, components: ['a\n b'] }), expected)
  t.throws(
    () => writeRelease({ ...NEW, sha256: new Map([['a b', { byteLength: 1, digest: parseDigest(A)! }]]) }),
    expected,
  )
  t.throws(
    () => writeRelease({ ...NEW, sha256: new Map([['../b', { byteLength: 1, digest: parseDigest(A)! }]]) }),
    expected,
  )
  t.end()
})
