/** Differences of sets of packages, by table and against the sets themselves. */
import fc from 'fast-check'
import test from 'tape'
import { compareVersions } from '../../schemas/debian-version.ts'
import { differenceOfPackages, type PackageFile } from '../../schemas/package-difference.ts'
import type { DigestHex } from '../../schemas/units.ts'

/** `NAME VERSION [CONTENT [ARCHITECTURE]]`. */
function file(text: string): PackageFile {
  const [name = '', version = '', content = '0', architecture = 'amd64'] = text.split(' ')
  return { name, version, architecture, byteLength: 1, digest: content.padStart(64, '0') as DigestHex }
}

function told(before: readonly string[], after: readonly string[], sameFile: 'unchanged' | 'changed' = 'unchanged') {
  return differenceOfPackages(before.map(file), after.map(file), sameFile).map(({ kind, before: from, after: to }) =>
    [kind, (to ?? from)?.name, from?.version ?? '-', to?.version ?? '-'].join(' '),
  )
}

test('package difference: what came, went, went up and down → by the order of Debian versions, by name', (t) => {
  const before = ['up 1.9', 'epoch 2.0', 'tilde 1.0~rc1', 'down 2', 'gone 1', 'same 1', 'bytes 1 a']
  const after = ['up 1.10', 'epoch 1:0.1', 'tilde 1.0', 'down 1', 'came 1', 'same 1', 'bytes 1 b']
  t.deepEqual(told(before, after), [
    'changed bytes 1 1',
    'added came - 1',
    'downgraded down 2 1',
    'upgraded epoch 2.0 1:0.1',
    'removed gone 1 -',
    'upgraded tilde 1.0~rc1 1.0',
    'upgraded up 1.9 1.10',
  ])
  t.deepEqual(told(before, before), [])
  t.end()
})

test('package difference: architectures → packages of their own', (t) => {
  t.deepEqual(told(['aa 1 0 amd64', 'aa 1 0 arm64'], ['aa 2 0 amd64', 'aa 1 0 all']), [
    'added aa - 1',
    'upgraded aa 1 2',
    'removed aa 1 -',
  ])
  t.end()
})

test('package difference: several versions → the newest of what differs against the newest, the rest came or went', (t) => {
  t.deepEqual(told(['aa 1'], ['aa 1', 'aa 2']), ['added aa - 2'])
  t.deepEqual(told(['aa 1', 'aa 2'], ['aa 2', 'aa 3']), ['upgraded aa 1 3'])
  t.deepEqual(told(['aa 1', 'aa 3'], ['aa 2']), ['removed aa 1 -', 'downgraded aa 3 2'])
  t.deepEqual(told(['aa 1'], ['aa 3', 'aa 2']), ['added aa - 2', 'upgraded aa 1 3'])
  t.deepEqual(told(['aa 1 x', 'aa 2'], ['aa 1 y', 'aa 3']), ['changed aa 1 1', 'upgraded aa 2 3'])
  t.deepEqual(told(['aa 1 x', 'aa 1 y'], ['aa 1 y', 'aa 1 z']), ['changed aa 1 1'])
  t.end()
})

test('package difference: versions that are equal and written differently → changed', (t) => {
  t.deepEqual(told(['aa 1.0'], ['aa 1.00']), ['changed aa 1.0 1.00'])
  t.end()
})

test('package difference: the same file on both sides → changed only where its stanza is known to differ', (t) => {
  t.deepEqual(told(['aa 1'], ['aa 1']), [])
  t.deepEqual(told(['aa 1', 'aa 1'], ['aa 1', 'aa 2'], 'changed'), ['changed aa 1 1', 'added aa - 2'])
  t.end()
})

test('package difference: any two sets → applied to the first it gives the second, and the two orders mirror', (t) => {
  const files = fc
    .array(fc.tuple(fc.constantFrom('aa', 'bb'), fc.constantFrom('1', '1.0', '2', '1:0'), fc.constantFrom('x', 'y')), {
      maxLength: 8,
    })
    .map((items) => [...new Set(items.map((words) => words.join(' ')))])
  const identity = ({ name, version, digest }: PackageFile): string => `${name} ${version} ${digest}`
  const mirrored = { added: 'removed', removed: 'added', upgraded: 'downgraded', downgraded: 'upgraded' } as const
  fc.assert(
    fc.property(files, files, (before, after) => {
      const differences = differenceOfPackages(before.map(file), after.map(file), 'unchanged')
      const held = new Set(before.map((text) => identity(file(text))))
      for (const { before: from } of differences) if (from !== null && !held.delete(identity(from))) return false
      for (const { after: to } of differences) if (to !== null) held.add(identity(to))
      const wanted = new Set(after.map((text) => identity(file(text))))
      const backwards = told(after, before).map((line) => line.split(' ')[0] ?? '')
      const mirror = differences.map(({ kind }) => (kind === 'changed' ? kind : mirrored[kind]))
      return (
        held.size === wanted.size &&
        [...held].every((one) => wanted.has(one)) &&
        mirror.sort().join() === backwards.sort().join() &&
        differences.every(({ kind, before: from, after: to }) => {
          const order = from === null || to === null ? 0 : compareVersions(from.version, to.version)
          return kind === 'upgraded' ? order < 0 : kind === 'downgraded' ? order > 0 : order === 0
        })
      )
    }),
  )
  t.end()
})
