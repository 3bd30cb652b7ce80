import test from 'tape'
import { FreshetError } from '../../schemas/errors.ts'
import {
  isByHash,
  isForeignSuite,
  parseAuthority,
  parseGatewayPath,
  parseRequestTarget,
  startsSession,
} from '../../protocols/gateway-path.ts'

test('gateway path: a channel, a time and a file → taken apart', (t) => {
  const cases: [string, string | null, string | null, string][] = [
    ['/', null, null, ''],
    ['/demo', 'demo', null, ''],
    ['/demo/', 'demo', null, ''],
    ['/demo/dists/stable/InRelease', 'demo', null, 'dists/stable/InRelease'],
    ['/demo@7/pool/a.deb', 'demo', '7', 'pool/a.deb'],
    ['/demo@%237/pool/a.deb', 'demo', '#7', 'pool/a.deb'],
    ['/demo@#7/pool/a.deb', 'demo', '#7', 'pool/a.deb'],
    ['/demo@2024-05-01T00:00:00Z/x', 'demo', '2024-05-01T00:00:00Z', 'x'],
    ['/demo%40v1/x', 'demo', 'v1', 'x'],
    ['/demo/./InRelease', 'demo', null, 'InRelease'],
    ['/demo/pool/g%2b%2b_1%253a2~rc1+b1_amd64.deb', 'demo', null, 'pool/g++_1%3a2~rc1+b1_amd64.deb'],
  ]
  for (const [target, channel, when, path] of cases)
    t.deepEqual(parseGatewayPath(target), { channel, when, path }, target)
  t.end()
})

test('gateway path: anything that could mean another file → PATH_INVALID', (t) => {
  const refused = [
    'demo/x',
    '//demo/x',
    '/demo//x',
    '/demo/x/',
    '/demo/../x',
    '/demo/%2e%2e/x',
    '/demo/.%2E/x',
    '/demo/a%2fb',
    '/demo/a%00b',
    '/demo/a%0d%0ab',
    '/demo/a%7fb',
    '/demo/a%c2%85b',
    '/demo/a\\b',
    '/demo/a%5cb',
    '/demo/%zz',
    '/demo/%ff',
    '/demo/x?y=1',
    '/demo@/x',
    '/Demo/x',
    '/..@1/x',
    '/-x/y',
    `/demo@${'9'.repeat(129)}/x`,
    `/demo/${'x'.repeat(2048)}`,
  ]
  for (const target of refused) {
    try {
      parseGatewayPath(target)
      t.fail(`not refused: ${target}`)
    } catch (error) {
      t.equal(error instanceof FreshetError && error.code, 'PATH_INVALID', target.slice(0, 40))
    }
  }
  t.end()
})

test('gateway path: release files of the suite begin a session → others do not', (t) => {
  t.ok(startsSession('dists/stable/InRelease', 'stable'))
  t.ok(startsSession('dists/stable/updates/Release', 'stable/updates'))
  t.ok(startsSession('InRelease', './'))
  t.ok(startsSession('sub/InRelease', 'sub/'))
  t.notOk(startsSession('dists/stable/Release.gpg', 'stable'), 'Release.gpg belongs to the Release before it')
  t.notOk(startsSession('dists/stable/main/binary-amd64/Release', 'stable'))
  t.notOk(startsSession('dists/other/InRelease', 'stable'))
  t.ok(isForeignSuite('dists/other/InRelease', 'stable'))
  t.ok(isForeignSuite('dists/stable2/InRelease', 'stable'))
  t.notOk(isForeignSuite('pool/a.deb', 'stable'))
  t.ok(isByHash('dists/stable/main/binary-amd64/by-hash/SHA256/00ff'))
  t.ok(isByHash('by-hash/SHA256/00ff'))
  t.notOk(isByHash('pool/by-hash/SHA256/x.deb'))
  t.end()
})

test('gateway path: hosts and absolute targets → taken apart, or null', (t) => {
  t.deepEqual(parseAuthority('LocalHost:7070'), { hostname: 'localhost', port: 7070 })
  t.deepEqual(parseAuthority('[::1]:80'), { hostname: '::1', port: 80 })
  t.deepEqual(parseAuthority('localhost.'), { hostname: 'localhost', port: null })
  for (const bad of ['', 'user@localhost', 'a b', 'localhost:99999', 'localhost:', '[::1', 'a/b']) {
    t.equal(parseAuthority(bad), null, bad)
  }
  t.deepEqual(parseRequestTarget('http://h:1/x'), { authority: { hostname: 'h', port: 1 }, path: '/x' })
  t.deepEqual(parseRequestTarget('http://h'), { authority: { hostname: 'h', port: null }, path: '/' })
  for (const bad of ['https://h/x', 'ftp://h/x', 'h:443', '*', 'http:///x']) t.equal(parseRequestTarget(bad), null, bad)
  t.end()
})
