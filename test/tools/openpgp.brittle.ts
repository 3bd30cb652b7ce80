/** Clear-signed files against the real gpg and gpgv: what they make is judged as apt judges it, what we make they accept. */
import { existsSync, readFileSync } from 'node:fs'
import test from 'brittle'
import { clearSign, createSigningKey, verifyClearSigned } from '../../tools/import/openpgp.ts'
import { readKeyring } from '../../tools/import/keyring.ts'
import { gpgHome } from '../helpers/gpg-home.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'

const TEXT = 'Origin: Test\nSuite: test\nDescription: one\n two\n'
const skip = skipUnless('gpg') !== null
const LIST = '/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease'
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const skipDebian = !existsSync(LIST) || !existsSync(DEBIAN_KEYRING)
const PAST = ['--faked-system-time', '20200101T000000!']

test(
  'openpgp: signed by keys of the keyring, RSA and Ed25519 → the text and both fingerprints',
  { skip },
  async (t) => {
    const gpg = gpgHome(t)
    const first = gpg.makeKey('first')
    const second = gpg.makeKey('second', { algorithm: 'rsa2048' })
    const signed = gpg.sign(TEXT, [first, second])
    const together = await verifyClearSigned(signed, [gpg.export(first, second)], Date.now())
    t.is(together.text.toString(), TEXT)
    t.alike([...together.signers].sort(), [first, second].sort())
    const apart = await verifyClearSigned(signed, [gpg.exportArmored(first), gpg.export(second)], Date.now())
    t.is(apart.signers.length, 2, 'two keyrings, one of them armoured')
    const blocks = Buffer.concat([gpg.exportArmored(first), gpg.exportArmored(second)])
    t.is((await readKeyring(blocks)).length, 2, 'a file of two armoured blocks')
  },
)

test(
  'openpgp: dashes, trailing blanks, CRLF and bytes beyond UTF-8 → the text as it was signed',
  { skip },
  async (t) => {
    const gpg = gpgHome(t)
    const key = gpg.makeKey('key')
    const ring = [gpg.export(key)]
    const text = Buffer.from('A: b\n- dash\n-----BEGIN PGP SIGNATURE-----\nFrom me\nX: \xe9\xff\n\nlast\n', 'latin1')
    const signed = gpg.sign(text, [key])
    t.ok((await verifyClearSigned(signed, ring, Date.now())).text.equals(text))
    const blanks = gpg.sign('A: b  \t\nC: d \n', [key])
    t.is((await verifyClearSigned(blanks, ring, Date.now())).text.toString(), 'A: b\nC: d\n', 'blanks are not signed')
    const crlf = Buffer.from(signed.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
    t.ok((await verifyClearSigned(crlf, ring, Date.now())).text.equals(text), 'sent with CRLF')
    t.is(gpg.gpgv(crlf, ring[0] ?? Buffer.alloc(0)).exitCode, 0, 'which gpgv accepts too')
  },
)

test('openpgp: altered, extended or stripped files → refused, each with its code', { skip }, async (t) => {
  const gpg = gpgHome(t)
  const key = gpg.makeKey('key')
  const ring = gpg.export(key)
  const signed = gpg.sign(TEXT, [key]).toString()
  const code = (file: string) => codeOf(verifyClearSigned(Buffer.from(file), [ring], Date.now()))
  t.is(await code(signed), 'accepted')
  t.is(await code(signed.replace('Suite: test', 'Suite: text')), 'SIGNATURE_BAD', 'a letter')
  t.is(await code(signed.replace('Suite: test\n', '')), 'SIGNATURE_BAD', 'a line less')
  t.is(await code(signed.replace('Suite: test', 'Suite: test\n')), 'SIGNATURE_BAD', 'an empty line more')
  t.is(await code(signed.replace('Suite: test', ' Suite: test')), 'SIGNATURE_BAD', 'a blank before')
  t.is(await code(`Suite: evil\n${signed}`), 'SIGNATURE_MISSING', 'text before')
  t.is(await code(`${signed}Suite: evil\n`), 'SIGNATURE_MISSING', 'text after')
  t.is(await code(`${signed}${signed}`), 'SIGNATURE_MISSING', 'two messages')
  t.is(await code(TEXT), 'SIGNATURE_MISSING', 'a bare Release')
  t.is(await code(''), 'SIGNATURE_MISSING', 'nothing')
  const [head = ''] = signed.split('-----BEGIN PGP SIGNATURE')
  t.is(await code(head), 'SIGNATURE_MISSING', 'cut before the signature')
  const armor = /(SIGNATURE-----\n\n)([\s\S]*)(\n-----END)/
  t.is(await code(signed.replace(armor, '$1AAAA$3')), 'SIGNATURE_BAD', 'a signature of three bytes')
  t.is(await code(signed.replace(armor, '$1$3')), 'SIGNATURE_BAD', 'an empty signature block')
  const other = gpg.sign('Suite: other\n', [key]).toString()
  const graft = signed.replace(armor, (_, a, __, c) => `${a}${armor.exec(other)?.[2] ?? ''}${c}`)
  t.is(await code(graft), 'SIGNATURE_BAD', 'a good signature of another text')
})

test('openpgp: signers beside a known one → apt’s rule: unknown is nothing, bad is fatal', { skip }, async (t) => {
  const gpg = gpgHome(t)
  const known = gpg.makeKey('known')
  const stranger = gpg.makeKey('stranger')
  const ring = gpg.export(known)
  const both = gpg.sign(TEXT, [stranger, known])
  t.alike((await verifyClearSigned(both, [ring], Date.now())).signers, [known])
  const alone = gpg.sign(TEXT, [stranger])
  t.is(await codeOf(verifyClearSigned(alone, [ring], Date.now())), 'SIGNATURE_UNKNOWN')
  t.ok(gpg.gpgv(alone, ring).status.includes('NO_PUBKEY'))
  t.is(await codeOf(verifyClearSigned(alone, [], Date.now())), 'SIGNATURE_UNKNOWN', 'no keyring at all')
  const packets = (file: Buffer) => /SIGNATURE-----\n\n([\s\S]*)\n=.{4}\n/.exec(file.toString())?.[1] ?? ''
  const good = Buffer.from(packets(gpg.sign(TEXT, [known])), 'base64')
  const bad = Buffer.from(packets(gpg.sign('Suite: other\n', [stranger])), 'base64')
  const armored = Buffer.concat([good, bad]).toString('base64').replace(/.{64}/g, '$&\n')
  const template = gpg.sign(TEXT, [known]).toString()
  const file = Buffer.from(template.replace(/(SIGNATURE-----\n\n)[\s\S]*(\n-----END)/, `$1${armored}$2`))
  const all = gpg.export(known, stranger)
  t.is(await codeOf(verifyClearSigned(file, [all], Date.now())), 'SIGNATURE_BAD', 'one good and one bad')
  t.ok(gpg.gpgv(file, all).status.includes('BADSIG'), 'gpgv calls it bad')
})

test('openpgp: expired, revoked and weak signers → refused, as gpgv says', { skip }, async (t) => {
  const gpg = gpgHome(t)
  const nowMs = Date.now()
  const old = gpg.makeKey('old', { expire: '2d', options: PAST })
  const signedThen = gpg.sign(TEXT, [old], PAST)
  const then = Date.parse('2020-01-01T12:00:00Z')
  t.is(await codeOf(verifyClearSigned(signedThen, [gpg.export(old)], then)), 'accepted', 'while the key was valid')
  t.is(await codeOf(verifyClearSigned(signedThen, [gpg.export(old)], nowMs)), 'SIGNATURE_EXPIRED', 'key')
  t.ok(gpg.gpgv(signedThen, gpg.export(old)).status.includes('EXPKEYSIG'))
  const key = gpg.makeKey('key', { options: PAST })
  const brief = gpg.sign(TEXT, [key], [...PAST, '--default-sig-expire', '1d'])
  t.is(await codeOf(verifyClearSigned(brief, [gpg.export(key)], nowMs)), 'SIGNATURE_EXPIRED', 'signature')
  t.ok(gpg.gpgv(brief, gpg.export(key)).status.includes('EXPSIG'))
  const beside = gpg.sign(TEXT, [old, key], PAST)
  t.is(await codeOf(verifyClearSigned(beside, [gpg.export(old, key)], nowMs)), 'accepted', 'expired beside good')
  const rsa = gpg.makeKey('rsa', { algorithm: 'rsa2048' })
  const weak = gpg.sign(TEXT, [rsa], ['--digest-algo', 'SHA1'])
  t.ok(weak.includes('Hash: SHA1'))
  t.is(await codeOf(verifyClearSigned(weak, [gpg.export(rsa)], Date.now())), 'SIGNATURE_REFUSED', 'SHA-1')
  const small = gpg.makeKey('small', { algorithm: 'rsa1024' })
  const signedSmall = gpg.sign(TEXT, [small])
  t.is(await codeOf(verifyClearSigned(signedSmall, [gpg.export(small)], Date.now())), 'SIGNATURE_REFUSED', 'RSA 1024')
  const before = gpg.sign(TEXT, [rsa])
  t.is(await codeOf(verifyClearSigned(before, [gpg.export(rsa)], Date.now())), 'accepted')
  gpg.revoke(rsa)
  t.is(await codeOf(verifyClearSigned(before, [gpg.export(rsa)], Date.now())), 'SIGNATURE_REFUSED', 'revoked')
  t.ok(gpg.gpgv(before, gpg.export(rsa)).status.includes('REVKEYSIG'))
})

test('openpgp: a signing key that the channel makes → gpgv accepts what it signs', { skip }, async (t) => {
  const gpg = gpgHome(t)
  const { privateKey, publicKey } = await createSigningKey('Freshet channel test')
  const text = 'Origin: Test\n- dash\n-----\nUmlaut: ü\n'
  const signed = await clearSign(text, privateKey)
  t.ok(signed.includes('Hash: SHA512'))
  t.absent(signed.includes('\r'))
  const verified = await verifyClearSigned(signed, [Buffer.from(publicKey)], Date.now())
  t.is(verified.text.toString(), text)
  const [key] = await readKeyring(Buffer.from(publicKey))
  const binary = Buffer.from(key?.write() ?? [])
  const { exitCode, status } = gpg.gpgv(signed, binary)
  t.is(exitCode, 0)
  t.ok(status.includes(`VALIDSIG ${verified.signers[0]}`))
  t.is(await codeOf(clearSign('A: b \n', privateKey)), 'RELEASE_MALFORMED', 'trailing blank')
  t.is(await codeOf(clearSign('A: b', privateKey)), 'RELEASE_MALFORMED', 'no last line feed')
  t.is(await codeOf(clearSign('A: b\n', publicKey)), 'KEYRING_INVALID', 'a public key cannot sign')
})

test('openpgp: keyrings that are none → KEYRING_INVALID', async (t) => {
  const { privateKey, publicKey } = await createSigningKey('test')
  const signed = await clearSign('A: b\n', privateKey)
  const cases = {
    text: Buffer.from('hello'),
    empty: Buffer.alloc(0),
    keybox: Buffer.concat([Buffer.alloc(8), Buffer.from('KBXf'), Buffer.alloc(100)]),
    cut: Buffer.from(publicKey.slice(0, 120)),
    private: Buffer.from(privateKey),
  }
  for (const [name, ring] of Object.entries(cases)) {
    t.is(await codeOf(verifyClearSigned(signed, [ring], Date.now())), 'KEYRING_INVALID', name)
  }
})

test('openpgp: Debian’s own InRelease → verified quickly', { skip: skipDebian }, async (t) => {
  const inRelease = readFileSync(LIST)
  const keyring = readFileSync(DEBIAN_KEYRING)
  const startedAtMs = performance.now()
  const { text, signers } = await verifyClearSigned(inRelease, [keyring], Date.now())
  const elapsedMs = performance.now() - startedAtMs
  t.ok(signers.length >= 1, `${signers.length} signers, ${Math.round(elapsedMs)} ms`)
  t.ok(text.toString().startsWith('Origin: Debian\n'))
  t.ok(elapsedMs < 2000, 'well within the patience of a person, also on a busy machine')
  const altered = Buffer.from(inRelease.toString('latin1').replace('Origin: Debian', 'Origin: Debiam'), 'latin1')
  t.is(await codeOf(verifyClearSigned(altered, [keyring], Date.now())), 'SIGNATURE_BAD')
})
