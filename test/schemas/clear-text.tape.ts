import test from 'tape'
import { clearText } from '../../schemas/clear-text.ts'
import { FreshetError } from '../../schemas/errors.ts'

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----\n'
const HEAD = `${BEGIN}Hash: SHA256\n\n`
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----\n\niQIz\n=AfjX\n-----END PGP SIGNATURE-----\n'

function textOf(message: string): string {
  return clearText(Buffer.from(message, 'latin1')).toString('latin1')
}

test('clear text: one signed message → its lines, dash-escapes undone', (t) => {
  t.equal(
    textOf(`${HEAD}Origin: a\n\n- -----BEGIN PGP SIGNATURE-----\n- - x\n${SIGNATURE}`),
    'Origin: a\n\n-----BEGIN PGP SIGNATURE-----\n- x\n',
  )
  t.equal(textOf(`${BEGIN}\nno header\n${SIGNATURE}`), 'no header\n')
  t.equal(textOf(`${BEGIN}Hash: SHA256, SHA512\nHash: SHA1\n\na\n${SIGNATURE}`), 'a\n')
  t.equal(textOf(`${HEAD}${SIGNATURE}`), '')
  t.equal(textOf(`${HEAD}caf\xe9\n${SIGNATURE.trimEnd()}`), 'caf\xe9\n')
  t.equal(textOf(`${HEAD}a\n${SIGNATURE}\n\n`), 'a\n')
  t.end()
})

test('clear text: blanks at line ends and CRLF, which are not signed → dropped', (t) => {
  t.equal(textOf(`${HEAD}a \t\n b\n \n${SIGNATURE}`), 'a\n b\n\n')
  t.equal(textOf(`${HEAD}a\nb\n${SIGNATURE}`.replaceAll('\n', '\r\n')), 'a\nb\n')
  t.end()
})

test('clear text: anything but one whole message → SIGNATURE_MISSING', (t) => {
  const good = `${HEAD}a\n${SIGNATURE}`
  const cases: [string, string][] = [
    ['nothing', ''],
    ['a plain Release', 'Origin: a\n'],
    ['text before', `Origin: evil\n${good}`],
    ['an empty line before', `\n${good}`],
    ['text after', `${good}Origin: evil\n`],
    ['two messages', good + good],
    ['two signatures', good + SIGNATURE],
    ['an unknown header', good.replace('Hash', 'Comment')],
    ['text as header', good.replace('Hash: SHA256', 'Origin: evil')],
    ['a blank line of blanks', good.replace('\n\n', '\n \n')],
    ['a bare dash', good.replace('\na\n', '\n-a\n')],
    ['a message in the text', good.replace('\na\n', `\n${BEGIN}`)],
    ['a dash in the signature', good.replace('iQIz', '-----BEGIN PGP SIGNATURE-----')],
    ['no signature', `${HEAD}a\n`],
    ['a cut signature', good.slice(0, -20)],
    ['only the first line', BEGIN],
    ['a NUL', good.replace('\na\n', '\na\0\n')],
    ['a carriage return in a line', good.replace('\na\n', '\na\rOrigin: evil\n')],
    ['3 MB', `${HEAD}${'a\n'.repeat(1_500_000)}${SIGNATURE}`],
    ['a detached signature', SIGNATURE],
  ]
  for (const [title, message] of cases) {
    try {
      t.fail(`${title} → ${textOf(message)}`)
    } catch (error) {
      t.ok(error instanceof FreshetError && error.code === 'SIGNATURE_MISSING', `${title}: ${String(error)}`)
    }
  }
  t.end()
})
