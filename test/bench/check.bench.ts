/**
 * Every package of the real index checked for whether it can be installed: in full, after a release that changes 200 stanzas, and
 * by Debian's own dose-debcheck, in turn. The verdicts of both are compared package by package.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PackageCheck } from '../../actors/solver/package-check.ts'
import { readCandidates } from '../../actors/solver/read-candidates.ts'
import { Universe } from '../../actors/solver/universe.ts'
import { RelationParser } from '../../schemas/relation.ts'
import { bench } from './bench.ts'
import { INDEX, missingLists, readIndex } from './debian.ts'
import { brokenByDose } from '../helpers/dose.ts'
import { skipUnless } from '../helpers/requires.ts'
import { sourceUpgrade } from './source-upgrade.ts'

const ARCHITECTURE = 'amd64'
const RUNS = 3
const RELEASES = 5
const CHANGES = 200

const missing = missingLists() ?? skipUnless('dose')

await bench('check: which packages can be installed', missing, async (b) => {
  const index = await readIndex()
  const path = join(await b.folder(), 'Packages')
  await writeFile(path, index)
  const full: number[] = []
  const dose: number[] = []
  const ratios: number[] = []
  const next: number[] = []
  const verdicts: string[] = []
  for (let run = 0; run < RUNS; run++) {
    const startedAtMs = performance.now()
    const parser = new RelationParser()
    const universe = new Universe(ARCHITECTURE, readCandidates(index, INDEX, parser))
    const check = await PackageCheck.run(universe)
    const ours = performance.now() - startedAtMs
    const doseAtMs = performance.now()
    const theirs = new Set(brokenByDose(path, ARCHITECTURE))
    const elapsedMs = performance.now() - doseAtMs
    full.push(ours)
    dose.push(elapsedMs)
    ratios.push(elapsedMs / ours)
    const broken = new Set(check.broken)
    const differing = [...universe.ids()].filter((id) => {
      const { name, version } = universe.candidate(id)
      return theirs.has(`${name} ${version}`) !== broken.has(id)
    })
    verdicts.push(`${universe.size} / ${broken.size} / ${differing.length}`)
    for (let release = 1; release <= RELEASES; release++) {
      const { went, stanzas } = sourceUpgrade(universe, CHANGES, release)
      const changedAtMs = performance.now()
      await check.advance(went, readCandidates(stanzas, INDEX, parser))
      next.push(performance.now() - changedAtMs)
    }
  }
  b.text(
    'packages / broken / verdicts otherwise than dose-debcheck',
    [...new Set(verdicts)].join(', '),
    'the last is 0',
  )
  b.figure('read, and every package checked', full, 'ms')
  b.figure('dose-debcheck of the same file', dose, 'ms')
  b.figure('— its time / ours', ratios, 'x', 'at least 8')
  b.figure(`the next release, ${CHANGES} stanzas changed`, next, 'ms', 'at most a tenth of the full check')
  b.text('peak memory of this process', `${(process.resourceUsage().maxRSS / 1000).toFixed(0)} MB`)
})
