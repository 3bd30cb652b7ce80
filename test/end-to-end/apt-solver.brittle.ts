/** Plans that apt itself is asked about: told to install exactly these versions, it installs them and nothing else. */
import test from 'brittle'
import { planPackages } from '../../actors/solver/plan-packages.ts'
import { readCandidates } from '../../actors/solver/read-candidates.ts'
import { Universe } from '../../actors/solver/universe.ts'
import { RelationParser } from '../../schemas/relation.ts'
import { randomFrom } from '../../tools/sim/random.ts'
import { INDEX, missingLists, readIndex } from '../bench/debian.ts'
import { SimulatedApt } from '../helpers/apt.ts'
import { scratchFolder } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const ARCHITECTURE = 'amd64'
const LONG = { timeout: 600_000 }
const SETS = 6
const WISHES_MAX = 5

test('apt: a plan of exact versions → installed as it says; no plan → refused', LONG, async (t) => {
  const missing = skipUnless('apt')
  if (missing !== null) return t.comment(missing)
  const packages = [
    ['aa', '1', 'Depends: lib (= 1), virtual'],
    ['lib', '1', ''],
    ['lib', '2', ''],
    ['maker', '1', 'Provides: virtual'],
    ['other', '1', 'Conflicts: aa'],
  ]
  const stanzas = packages.map(([name, version, field]) => {
    const head = [
      `Package: ${name}`,
      `Version: ${version}`,
      `Architecture: ${ARCHITECTURE}`,
      ...(field === '' ? [] : [field]),
    ]
    return [...head, `Filename: ./${name}_${version}.deb`, 'Size: 10', `SHA256: ${'0'.repeat(64)}`, ''].join('\n')
  })
  const index = Buffer.from(stanzas.join('\n'))
  const universe = new Universe(ARCHITECTURE, readCandidates(index, 'Packages', new RelationParser()))
  const apt = new SimulatedApt(await scratchFolder(t), ARCHITECTURE, index)
  const request = { installed: [], held: new Set<number>(), upgrade: false, allowRemove: false }
  const plan = await planPackages(universe, { ...request, wishes: [universe.named('aa')] })
  const install = plan.ok ? plan.install.map((id) => universe.candidate(id)) : []
  t.alike(apt.installs(install), ['aa 1', 'lib 1', 'maker 1'])
  t.is(apt.installs(install.slice(0, 1)), null, 'by itself apt looks at the newest versions only')
  const both = await planPackages(universe, { ...request, wishes: [universe.named('aa'), universe.named('other')] })
  t.absent(both.ok)
  t.is(apt.installs(['aa', 'other'].map((name) => ({ name, version: '1', architecture: ARCHITECTURE }))), null)
})

test(`apt: plans for ${SETS} random wishes of the real index → confirmed by apt`, LONG, async (t) => {
  const lists = missingLists()
  const missing = skipUnless('apt') ?? (lists === null ? null : `skipped: ${lists}`)
  if (missing !== null) return t.comment(missing)
  const index = await readIndex()
  const universe = new Universe(ARCHITECTURE, readCandidates(index, INDEX, new RelationParser()))
  const apt = new SimulatedApt(await scratchFolder(t), ARCHITECTURE, index)
  const ids = [...universe.ids()]
  const random = randomFrom(7)
  const below = (count: number): number => Math.floor(random() * count)
  for (let i = 0; i < SETS; i++) {
    const wishes = Array.from({ length: 1 + below(WISHES_MAX) }, () => [ids[below(ids.length)] as number])
    const request = { installed: [], held: new Set<number>(), wishes, upgrade: false, allowRemove: false }
    const plan = await planPackages(universe, request)
    const names = wishes.map(([id = -1]) => universe.candidate(id).name).join(', ')
    if (!plan.ok) {
      t.is(apt.installs(wishes.map(([id = -1]) => universe.candidate(id))), null, `no way for ${names}`)
      continue
    }
    const install = plan.install.map((id) => universe.candidate(id))
    t.alike(apt.installs(install), install.map(({ name, version }) => `${name} ${version}`).sort(), names)
  }
})
