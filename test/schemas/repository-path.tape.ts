import test from 'tape'
import { repositoryPathFault } from '../../schemas/repository-path.ts'

test('repository path: safe ones → no fault', (t) => {
  const safe = [
    'pool/main/g/gcc/g++_4%3a12.2.0-3_amd64.deb',
    './foo.deb',
    'foo.deb',
    'a/..b/.c/d..',
    '...',
    'with space/a~b.deb',
    'x'.repeat(1024),
  ]
  for (const path of safe) t.equal(repositoryPathFault(path), null, path.slice(0, 40))
  t.end()
})

test('repository path: unsafe ones → a fault', (t) => {
  const unsafe = [
    '',
    '/etc/passwd',
    '//host/x',
    '..',
    '.',
    './',
    './/x',
    '././x',
    './../x',
    '../x',
    'a/../b',
    'a/./b',
    'a//b',
    'a/',
    'a/..',
    'a\\b',
    'a\0b',
    'a\nb',
    'a\x7fb',
    'pool/\u202egpj.deb',
    'pool/caf\u00e9.deb',
    '%2e%2e/x',
    'a%2Fb',
    'a%5cb',
    'a%00b',
    'a%0d%0aX: y',
    'x'.repeat(1025),
  ]
  for (const path of unsafe)
    t.ok(repositoryPathFault(path), `${JSON.stringify(path.slice(0, 40))}: ${repositoryPathFault(path)}`)
  t.end()
})
