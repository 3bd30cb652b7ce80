import fc from 'fast-check'
import test from 'tape'
import { FreshetError, type ErrorCode } from '../../schemas/errors.ts'
import { STANZA_BYTES_MAX, STANZA_FIELDS_MAX } from '../../schemas/limits.ts'
import { type PackageStanza, parseFields, readPackageStanza, scanPackages, splitStanzas } from '../../schemas/stanza.ts'

const DIGEST = '3a2118df47bf3f04285649f0455c2fc6fe2dc7f0b237073038aa00af41f0d5f2'

function stanzaText(changes: Record<string, string | null> = {}): string {
  const fields: Record<string, string | null> = {
    Package: 'hello',
    Version: '2.10-3',
    Architecture: 'amd64',
    Description: 'says hello\n .\n  indented',
    Filename: 'pool/main/h/hello/hello_2.10-3_amd64.deb',
    Size: '53024',
    SHA256: DIGEST,
    ...changes,
  }
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\n`]))
  return lines.join('')
}

function failure(fn: () => unknown): FreshetError {
  try {
    fn()
  } catch (error) {
    if (error instanceof FreshetError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

function slices(bytes: Buffer, offsets: Uint32Array): Buffer[] {
  return [...offsets.subarray(0, -1)].map((start, index) => bytes.subarray(start, offsets[index + 1]))
}

test('stanza: two good stanzas → their fields and slices', (t) => {
  const all = stanzaText({ Package: 'hello-doc', Architecture: 'all', SHA256: DIGEST.toUpperCase() })
  const bytes = Buffer.from(`${stanzaText()}\n${all}\n`)
  const seen: [number, PackageStanza][] = []
  const offsets = scanPackages(bytes, 'main/binary-amd64/Packages', (index, stanza) => seen.push([index, stanza]))
  const expected = {
    name: 'hello',
    version: '2.10-3',
    architecture: 'amd64',
    filename: 'pool/main/h/hello/hello_2.10-3_amd64.deb',
    byteLength: 53024,
    digest: DIGEST,
  }
  t.deepEqual(seen, [
    [0, expected],
    [1, { ...expected, name: 'hello-doc', architecture: 'all' }],
  ])
  t.deepEqual(slices(bytes, offsets).map(String), [`${stanzaText()}\n`, `${all}\n`])
  t.deepEqual(readPackageStanza(bytes, offsets[1] ?? 0, offsets[2] ?? 0, 'block 7').name, 'hello-doc')
  t.end()
})

test('stanza: names in any case, blanks around values, no line feed at the end → read the same', (t) => {
  const text = stanzaText().replace('Package: hello', 'pAcKaGe:\t hello \t').replace('SHA256', 'Sha256').trimEnd()
  const bytes = Buffer.from(text)
  t.equal(readPackageStanza(bytes, 0, bytes.length, 'here').name, 'hello')
  t.deepEqual([...scanPackages(bytes, 'Packages')], [0, bytes.length])
  t.end()
})

test('stanza: bytes that are not UTF-8 outside the structural fields → kept', (t) => {
  const bytes = Buffer.concat([Buffer.from('Maintainer: J\xf6rg \xff\xfe\n', 'latin1'), Buffer.from(stanzaText())])
  const offsets = scanPackages(bytes, 'Packages', (_index, stanza) => t.equal(stanza.name, 'hello'))
  t.ok(Buffer.concat(slices(bytes, offsets)).equals(bytes))
  t.end()
})

test('stanza: empty and blank files → slices that still add up', (t) => {
  t.deepEqual([...splitStanzas(Buffer.alloc(0))], [0])
  t.deepEqual([...splitStanzas(Buffer.from('\n'))], [0, 1])
  t.deepEqual([...scanPackages(Buffer.alloc(0), 'Packages')], [0])
  t.deepEqual([...scanPackages(Buffer.from('\n\n\n'), 'Packages', () => t.fail('there is no stanza'))], [0, 3])
  t.equal(failure(() => readPackageStanza(Buffer.from('\n\n'), 0, 2, 'here')).code, 'STANZA_NO_PACKAGE')
  t.end()
})

test('stanza: any bytes → slices laid end to end are the file', (t) => {
  const text = fc.string({ unit: fc.constantFrom('\n', '\n\n', 'a', ' ', ':', '\r', '\xff'), maxLength: 40 })
  fc.assert(
    fc.property(text, (latin1) => {
      const bytes = Buffer.from(latin1, 'latin1')
      const parts = slices(bytes, splitStanzas(bytes))
      const cutRight = parts.every((part, index) => {
        const inner = part.toString('latin1').replace(/^\n+/, index === 0 ? '' : '$&')
        return part.length > 0 && !/\n\n+[^\n]/.test(inner) && (index === 0 || inner[0] !== '\n')
      })
      return Buffer.concat(parts).equals(bytes) && cutRight
    }),
    { numRuns: 3000 },
  )
  t.pass('for 3000 files')
  t.end()
})

test('stanza: good stanzas with odd blank lines → scan and split agree', (t) => {
  const gap = fc.integer({ min: 2, max: 4 }).map((count) => '\n'.repeat(count))
  const file = fc.tuple(fc.nat({ max: 3 }), fc.array(gap, { maxLength: 5 }), fc.nat({ max: 3 }))
  fc.assert(
    fc.property(file, ([lead, gaps, trail]) => {
      const body = gaps.map((blank) => stanzaText().trimEnd() + blank).join('')
      const bytes = Buffer.from('\n'.repeat(lead) + body + stanzaText().trimEnd() + '\n'.repeat(trail))
      let count = 0
      const scanned = scanPackages(bytes, 'Packages', () => count++)
      return count === gaps.length + 1 && Buffer.from(scanned.buffer).equals(Buffer.from(splitStanzas(bytes).buffer))
    }),
  )
  t.pass()
  t.end()
})

const many = Array.from({ length: STANZA_FIELDS_MAX }, (_, index) => `X-${index}: y\n`).join('')

const BAD: [string, string, ErrorCode][] = [
  ['no Package', stanzaText({ Package: null }), 'STANZA_NO_PACKAGE'],
  ['Package twice', `${stanzaText()}package: other\n`, 'STANZA_FIELD_DUPLICATE'],
  ['an unknown field twice', `X-One: 1\n${stanzaText()}x-oNE: 2\n`, 'STANZA_FIELD_DUPLICATE'],
  ['too many fields', stanzaText() + many, 'STANZA_TOO_LARGE'],
  ['10 MB in one line', stanzaText({ Description: 'x'.repeat(10_000_000) }), 'STANZA_TOO_LARGE'],
  ['10 MB in many lines', stanzaText({ Description: 'x\n y'.repeat(2_500_000) }), 'STANZA_TOO_LARGE'],
  ['10 MB of blank lines', stanzaText() + '\n'.repeat(10_000_000), 'STANZA_TOO_LARGE'],
  ['10 MB of name', stanzaText({ Package: 'x'.repeat(1_000_000) }), 'STANZA_FIELD_INVALID'],
  ['a line without a colon', `${stanzaText()}nonsense\n`, 'STANZA_MALFORMED'],
  ['a line without a name', `${stanzaText()}: x\n`, 'STANZA_MALFORMED'],
  ['a comment', `${stanzaText()}# x: y\n`, 'STANZA_MALFORMED'],
  ['a name with a blank', `${stanzaText()}A b: y\n`, 'STANZA_MALFORMED'],
  ['a name beyond ASCII', `${stanzaText()}N\u00e4me: y\n`, 'STANZA_MALFORMED'],
  ['a continuation first', ` x\n${stanzaText()}`, 'STANZA_MALFORMED'],
  ['CRLF line ends', stanzaText().replaceAll('\n', '\r\n'), 'STANZA_FIELD_INVALID'],
  ['a CRLF blank line', `${stanzaText()}\r\n${stanzaText()}`, 'STANZA_MALFORMED'],
  ['a NUL', stanzaText({ Description: 'a\0b' }), 'STANZA_MALFORMED'],
  ['HTML', '<html>\n<body>404</body>\n</html>\n', 'STANZA_MALFORMED'],
  ['an upper-case name', stanzaText({ Package: 'Hello' }), 'STANZA_FIELD_INVALID'],
  ['a one-letter name', stanzaText({ Package: 'x' }), 'STANZA_FIELD_INVALID'],
  ['a path as name', stanzaText({ Package: '../x' }), 'STANZA_FIELD_INVALID'],
  ['an empty name', stanzaText({ Package: '' }), 'STANZA_FIELD_INVALID'],
  ['a name over two lines', stanzaText({ Package: 'hello\n world' }), 'STANZA_FIELD_INVALID'],
  ['no Version', stanzaText({ Version: null }), 'STANZA_FIELD_INVALID'],
  ['a bad Version', stanzaText({ Version: '1.0 2' }), 'STANZA_FIELD_INVALID'],
  ['no Architecture', stanzaText({ Architecture: null }), 'STANZA_FIELD_INVALID'],
  ['two Architectures', stanzaText({ Architecture: 'amd64 i386' }), 'STANZA_FIELD_INVALID'],
  ['no Filename', stanzaText({ Filename: null }), 'STANZA_FIELD_INVALID'],
  ['no Size', stanzaText({ Size: null }), 'STANZA_FIELD_INVALID'],
  ['a negative Size', stanzaText({ Size: '-1' }), 'STANZA_FIELD_INVALID'],
  ['a huge Size', stanzaText({ Size: '999999999999999' }), 'STANZA_FIELD_INVALID'],
  ['a Size in hex', stanzaText({ Size: '0x10' }), 'STANZA_FIELD_INVALID'],
  ['no SHA256', stanzaText({ SHA256: null }), 'STANZA_FIELD_INVALID'],
  ['a short SHA256', stanzaText({ SHA256: DIGEST.slice(1) }), 'STANZA_FIELD_INVALID'],
  ['an absolute Filename', stanzaText({ Filename: '/etc/passwd' }), 'FILENAME_UNSAFE'],
  ['a Filename that climbs', stanzaText({ Filename: 'pool/../../x.deb' }), 'FILENAME_UNSAFE'],
  ['a Filename beyond ASCII', stanzaText({ Filename: 'pool/\u00e9.deb' }), 'FILENAME_UNSAFE'],
  ['an empty Filename', stanzaText({ Filename: '' }), 'FILENAME_UNSAFE'],
]

for (const [title, text, code] of BAD) {
  test(`stanza: ${title} → ${code}, alone and in a file`, (t) => {
    const bytes = Buffer.from(text)
    t.equal(failure(() => scanPackages(bytes, 'Packages')).code, code)
    const [first = 0, second = 0] = splitStanzas(bytes)
    t.equal(failure(() => readPackageStanza(bytes, first, second, 'here')).code, code)
    const error = failure(() => scanPackages(Buffer.from(`${stanzaText()}\n${text}`), 'main/Packages'))
    t.equal(error.code, code)
    t.ok(
      error.message.startsWith(`main/Packages stanza 2 at byte ${stanzaText().length + 1}`),
      error.message.slice(0, 100),
    )
    t.ok(error.message.length < 400, 'the message is short whatever the input')
    t.end()
  })
}

test('stanza: a bad one in a file → the error names package, number and byte', (t) => {
  const error = failure(() => scanPackages(Buffer.from(`\n${stanzaText({ Size: 'x' })}`), 'main/Packages'))
  t.equal(error.message, 'main/Packages stanza 1 at byte 0 (hello): Size is "x"')
  t.deepEqual(error.detail, { file: 'main/Packages', stanza: 1, byteOffset: 0, package: 'hello' })
  t.end()
})

test('stanza: exactly the bound in bytes → read; one more → STANZA_TOO_LARGE', (t) => {
  const rest = stanzaText({ Description: '' }).length
  const largest = Buffer.from(stanzaText({ Description: 'x'.repeat(STANZA_BYTES_MAX - rest) }))
  t.equal(largest.length, STANZA_BYTES_MAX)
  t.equal(readPackageStanza(largest, 0, largest.length, 'here').name, 'hello')
  const larger = Buffer.concat([largest, Buffer.from('\n')])
  t.equal(failure(() => scanPackages(larger, 'Packages')).code, 'STANZA_TOO_LARGE')
  t.end()
})

test('stanza: two stanzas where one is expected → STANZA_MALFORMED', (t) => {
  const bytes = Buffer.from(`${stanzaText()}\n${stanzaText()}`)
  t.equal(failure(() => readPackageStanza(bytes, 0, bytes.length, 'here')).code, 'STANZA_MALFORMED')
  t.end()
})

test('stanza: a callback that reads stanzas itself → does not disturb the scan', (t) => {
  const other = Buffer.from(stanzaText({ Package: 'other' }))
  const bytes = Buffer.from(`${stanzaText()}\n${stanzaText()}\n${stanzaText()}`)
  const seen: string[] = []
  scanPackages(bytes, 'Packages', (_index, { name }) => {
    seen.push(name, readPackageStanza(other, 0, other.length, 'other').name)
  })
  t.deepEqual(seen, ['hello', 'other', 'hello', 'other', 'hello', 'other'])
  t.end()
})

test('fields: one stanza → names as written, lines joined', (t) => {
  const fields = parseFields(
    Buffer.from('\nPackage:  a\nDEPENDS: b,\n  c \n\td\nEmpty:\nFiles:\n x y\n .\nB: \u00fc: z\n\n'),
  )
  t.deepEqual(
    [...fields],
    [
      ['Package', 'a'],
      ['DEPENDS', 'b,\n c\nd'],
      ['Empty', ''],
      ['Files', '\nx y\n.'],
      ['B', '\u00fc: z'],
    ],
  )
  t.deepEqual([...parseFields(Buffer.alloc(0))], [])
  t.end()
})

test('fields: what is not one stanza → refused', (t) => {
  const cases: [string, ErrorCode][] = [
    ['A: 1\na: 2\n', 'STANZA_FIELD_DUPLICATE'],
    ['A: 1\n\nB: 2\n', 'STANZA_MALFORMED'],
    [' x\nA: 1\n', 'STANZA_MALFORMED'],
    ['A 1\n', 'STANZA_MALFORMED'],
    ['A: \0\n', 'STANZA_MALFORMED'],
  ]
  for (const [text, code] of cases)
    t.equal(failure(() => parseFields(Buffer.from(text))).code, code, JSON.stringify(text))
  t.end()
})
