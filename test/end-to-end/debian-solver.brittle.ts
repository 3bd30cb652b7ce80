/** Debian as this machine's apt has it, checked by us and by dose-debcheck, which shares no code with us: one verdict each. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { candidateText } from '../../actors/solver/candidate.ts'
import { explanationLines } from '../../actors/solver/explain.ts'
import { PackageCheck } from '../../actors/solver/package-check.ts'
import { readCandidates } from '../../actors/solver/read-candidates.ts'
import { Universe } from '../../actors/solver/universe.ts'
import { RelationParser } from '../../schemas/relation.ts'
import { INDEX, missingLists, readIndex } from '../bench/debian.ts'
import { brokenByDose } from '../helpers/dose.ts'
import { faultOfExplanation, plainStanzas } from '../helpers/explanation.ts'
import { scratchFolder } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const lists = missingLists()
const missing = skipUnless('dose') ?? (lists === null ? null : `skipped: ${lists}`)

test(
  'debian solver: every package of the real index → the verdict of dose-debcheck, and a reason for each that is broken',
  { timeout: 600_000 },
  async (t) => {
    if (missing !== null) return t.comment(missing)
    const index = await readIndex()
    const path = join(await scratchFolder(t), 'Packages')
    await writeFile(path, index)
    const universe = new Universe('amd64', readCandidates(index, INDEX, new RelationParser()))
    const check = await PackageCheck.run(universe)
    const broken = check.broken.map((id) => `${universe.candidate(id).name} ${universe.candidate(id).version}`)
    t.alike(broken.sort(), brokenByDose(path, 'amd64'))
    const stanzas = plainStanzas(index.toString())
    for (const id of check.broken) {
      const lines = explanationLines(universe, await check.reason(id))
      t.is(faultOfExplanation(lines, candidateText(universe.candidate(id)), stanzas), null, lines.join('; '))
    }
  },
)
