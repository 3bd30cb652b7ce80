/**
 * 1,000 random wishes of 1 to 5 packages on a machine that has nothing, from the real index: how long a plan takes, whether there is one
 * exactly where dose-debcheck says that the packages go together, and whether a checker that knows nothing of the solver agrees. A
 * sample is put to apt itself: told to install exactly what a plan says, it installs that and nothing else.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { faultsOfSet } from '../../actors/solver/check-plan.ts'
import { planPackages } from '../../actors/solver/plan-packages.ts'
import { readCandidates } from '../../actors/solver/read-candidates.ts'
import { Universe } from '../../actors/solver/universe.ts'
import { RelationParser } from '../../schemas/relation.ts'
import { randomFrom } from '../../tools/sim/random.ts'
import { SimulatedApt } from '../helpers/apt.ts'
import { doseTogether } from '../helpers/dose.ts'
import { skipUnless } from '../helpers/requires.ts'
import { bench, repeat } from './bench.ts'
import { INDEX, missingLists, readIndex } from './debian.ts'

const ARCHITECTURE = 'amd64'
const LOADS = 5
const SETS = 1_000
const WISHES_MAX = 5
/** Each takes apt some two seconds. */
const CONFIRMED_BY_APT = 50

const missing = missingLists() ?? skipUnless('dose', 'apt')

await bench(`plan: ${SETS} random wishes on a machine that has nothing`, missing, async (b) => {
  const index = await readIndex()
  const folder = await b.folder()
  const path = join(folder, 'Packages')
  await writeFile(path, index)
  const load = (): Universe => new Universe(ARCHITECTURE, readCandidates(index, INDEX, new RelationParser()))
  b.figure('loading the index into the solver', await repeat(LOADS, load), 'ms', 'at most 2,000 ms')

  const universe = load()
  const ids = [...universe.ids()]
  const random = randomFrom(1)
  const below = (count: number): number => Math.floor(random() * count)
  const sets = Array.from({ length: SETS }, () =>
    Array.from({ length: 1 + below(WISHES_MAX) }, () => ids[below(ids.length)] as number),
  )
  const elapsed: number[] = []
  const sizes: number[] = []
  const found: boolean[] = []
  const planned: (readonly number[] | null)[] = []
  let unsound = 0
  for (const set of sets) {
    const startedAtMs = performance.now()
    const wishes = set.map((id) => [id])
    const plan = await planPackages(universe, {
      installed: [],
      held: new Set(),
      wishes,
      upgrade: false,
      allowRemove: false,
    })
    elapsed.push(performance.now() - startedAtMs)
    found.push(plan.ok)
    planned.push(plan.ok ? plan.install : null)
    if (!plan.ok) continue
    sizes.push(plan.install.length)
    const final = [...plan.final].map((id) => universe.candidate(id))
    if (faultsOfSet(final, ARCHITECTURE).length > 0 || set.some((id) => !plan.final.has(id))) unsound++
  }
  b.figure('one plan, after loading', elapsed, 'ms', 'median at most 150 ms')
  b.figure('— packages of it', sizes, '')
  b.text('plans / no way', `${sizes.length} / ${SETS - sizes.length}`)
  const names = sets.map((set) =>
    set.map((id) => `${universe.candidate(id).name} (= ${universe.candidate(id).version})`),
  )
  const together = doseTogether(path, folder, ARCHITECTURE, names)
  b.text('otherwise than dose-debcheck', String(found.filter((ok, i) => ok !== together[i]).length), '0')
  b.text('refused by the checker of plans', String(unsound), '0')

  const apt = new SimulatedApt(join(folder, 'apt'), ARCHITECTURE, index)
  const sample = sets.slice(0, CONFIRMED_BY_APT)
  let unconfirmed = 0
  for (const [i, set] of sample.entries()) {
    const exact = (planned[i] ?? set).map((id) => universe.candidate(id))
    const expected = planned[i] === null ? null : exact.map(({ name, version }) => `${name} ${version}`).sort()
    if (!isDeepStrictEqual(apt.installs(exact), expected)) unconfirmed++
  }
  b.text(`of the first ${sample.length}, not what apt-get does when told so`, String(unconfirmed), '0')
})
