/** What breaks when index files take the place of others: what is new and broken, and what was whole; not what was broken before. */
import test from 'tape'
import { newlyBroken } from '../../../actors/solver/newly-broken.ts'

type Package = readonly [what: string, ...fields: string[]]

function index(...packages: readonly Package[]): { readonly path: string; readonly bytes: Buffer } {
  const stanzas = packages.map(([what, ...fields]) => {
    const [name, version] = what.split(' ')
    const file = [`Filename: pool/${name}.deb`, 'Size: 1', `SHA256: ${'0'.repeat(64)}`]
    return [`Package: ${name}`, `Version: ${version}`, 'Architecture: amd64', ...file, ...fields, ''].join('\n')
  })
  return { path: 'main/binary-amd64/Packages', bytes: Buffer.from(stanzas.join('\n')) }
}

const A: Package = ['app 1', 'Depends: bin']
const B: Package = ['bin 1']
const LONE: Package = ['lone 1', 'Depends: nobody']

const CASES: Readonly<Record<string, [before: Package[], after: Package[], expected: string[]]>> = {
  'nothing changes': [[A, B, LONE], [A, B, LONE], []],
  'what is needed goes': [[A, B], [A], ['app 1']],
  'what comes needs what is not there': [[B], [B, LONE], ['lone 1']],
  'one version asks for more than before': [[A, B], [['app 1', 'Depends: nobody'], B], ['app 1']],
  'what was broken before is so in other words': [[LONE], [['lone 1', 'Depends: nobody-else']], ['lone 1']],
  'a conflict with what is needed': [[A, B], [A, ['bin 2', 'Conflicts: app']], ['app 1']],
  'nothing before': [[], [A, LONE], ['app 1', 'lone 1']],
}

for (const [what, [before, after, expected]] of Object.entries(CASES)) {
  test(`newly broken: ${what} → ${expected.join(', ') || 'nothing'}`, async (t) => {
    const found = await newlyBroken('amd64', [index(...before)], [index(...after)])
    t.deepEqual(found.map(({ name, version }) => `${name} ${version}`).sort(), expected)
    t.ok(found.every(({ reason }) => reason.length > 0))
    t.end()
  })
}
