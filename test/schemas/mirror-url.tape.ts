import fc from 'fast-check'
import test from 'tape'
import { MIRROR_URL_BYTES_MAX } from '../../schemas/limits.ts'
import { fileUrl, mirrorUrl, requireMirrorUrl, usableMirrors } from '../../schemas/mirror-url.ts'
import { refusalOf } from '../helpers/refusal.ts'

test('mirror url: what people write → one spelling, without a slash at its end', (t) => {
  const spellings: [string, string][] = [
    ['http://deb.debian.org/debian', 'http://deb.debian.org/debian'],
    ['HTTP://Deb.Debian.ORG:80/debian//', 'http://deb.debian.org/debian'],
    ['https://host', 'https://host'],
    ['https://host:8443/', 'https://host:8443'],
    ['http://[2001:db8::1]/x/../a b', 'http://[2001:db8::1]/a%20b'],
    ['http://bücher.example/', 'http://xn--bcher-kva.example'],
  ]
  for (const [text, url] of spellings) {
    t.equal(mirrorUrl(text), url, text)
    t.equal(mirrorUrl(url), url, 'which stays as it is')
  }
  t.end()
})

test('mirror url: no http(s), a password, a query, a fragment, too long → MIRROR_INVALID, and no password is repeated', (t) => {
  const bad = [
    '',
    'deb.debian.org/debian',
    '/srv/mirror',
    'file:///srv/mirror',
    'ftp://host/debian',
    'cdrom:[Debian]/',
    'mirror+file:/etc/apt/mirrors.txt',
    'http://user@host/debian',
    'http://user:secret@host/debian',
    'http://host/debian?x=1',
    'http://host/debian?',
    'http://host/debian#x',
    'http://',
    `http://host/${'x'.repeat(MIRROR_URL_BYTES_MAX)}`,
    `http://host/${'ü'.repeat(MIRROR_URL_BYTES_MAX / 4)}`,
  ]
  for (const text of bad) {
    t.equal(mirrorUrl(text), null, text.slice(0, 60))
    t.equal(
      refusalOf(() => requireMirrorUrl(text)),
      'MIRROR_INVALID',
    )
  }
  try {
    requireMirrorUrl('http://user:secret@host/debian')
  } catch (error) {
    t.notOk(JSON.stringify(error).includes('secret'))
  }
  t.end()
})

test('mirror url: a list from a log → those that can be used, each once, in order', (t) => {
  t.deepEqual(usableMirrors(['http://b', 'file:///x', 'http://a', 'http://b', 'http://A', 'http://a/']), [
    'http://b',
    'http://a',
  ])
  t.end()
})

test('mirror url: names of files as Debian has them → escaped as apt escapes them', (t) => {
  const base = 'http://deb.debian.org/debian'
  const names: [string, string][] = [
    ['pool/main/g/g++/g++_12.2.0-3_amd64.deb', 'pool/main/g/g%2b%2b/g%2b%2b_12.2.0-3_amd64.deb'],
    ['pool/b/bar_2.0+git~1_all.deb', 'pool/b/bar_2.0%2bgit%7e1_all.deb'],
    ['pool/a_1:2.0_all.deb', 'pool/a_1:2.0_all.deb'],
    ['pool/a_1%3a2.0_all.deb', 'pool/a_1%253a2.0_all.deb'],
    ['./flat.deb', 'flat.deb'],
    ['a b/c?d#e', 'a%20b/c%3Fd%23e'],
  ]
  for (const [path, escaped] of names) t.equal(fileUrl(base, path), `${base}/${escaped}`)
  t.end()
})

test('mirror url: any printable path → a URL below the base, which decodes to that path', (t) => {
  const segment = fc
    .string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 1 })
    .filter((text) => !text.includes('/') && text !== '.' && text !== '..')
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
      const { pathname, host, search, hash } = new URL(fileUrl('http://host/base', segments.join('/')))
      const decoded = decodeURIComponent(pathname)
      return host === 'host' && search === '' && hash === '' && decoded === `/base/${segments.join('/')}`
    }),
  )
  t.pass('100 paths')
  t.end()
})
