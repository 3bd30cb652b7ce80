/**
 * The 16 packages of Debian 12 main that cannot be installed, in an index cut down to what their explanations are about: the stanzas
 * are real, their relations those among them and those that nothing in Debian satisfies.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'tape'
import { candidateText } from '../../../actors/solver/candidate.ts'
import { explanationLines } from '../../../actors/solver/explain.ts'
import { PackageCheck } from '../../../actors/solver/package-check.ts'
import { readCandidates } from '../../../actors/solver/read-candidates.ts'
import { Universe } from '../../../actors/solver/universe.ts'
import { RelationParser } from '../../../schemas/relation.ts'
import { faultOfExplanation, plainStanzas } from '../../helpers/explanation.ts'

const INDEX = readFileSync(join(import.meta.dirname, '..', '..', 'vectors', 'bookworm-broken.packages'))

test('explanations: the 16 of Debian 12 → each a proof of which nothing can be left out', async (t) => {
  const universe = new Universe('amd64', readCandidates(INDEX, 'bookworm-broken.packages', new RelationParser()))
  const check = await PackageCheck.run(universe)
  const stanzas = plainStanzas(INDEX.toString())
  t.equal(check.broken.length, 16)
  for (const id of check.broken) {
    const about = candidateText(universe.candidate(id))
    const lines = explanationLines(universe, await check.reason(id))
    t.equal(faultOfExplanation(lines, about, stanzas), null, lines.join('; '))
  }
  t.end()
})

test('explanations: one that is false, too short or too long → what is wrong with it', (t) => {
  const stanzas = plainStanzas(INDEX.toString())
  const about = 'webext-dav4tbsync:all 4.7-1~deb12u1'
  const first = `${about} depends on webext-tbsync (>= 4.7), which is webext-tbsync:all 4.12-1~deb12u1`
  const second =
    'webext-tbsync:all 4.12-1~deb12u1 depends on thunderbird (<= 1:128.x), and there is only thunderbird:amd64 1:140.12.0esr-1~deb12u1'
  const idle = 'console-setup-freebsd:all 1.221 depends on vidcontrol, and there is none'
  t.equal(faultOfExplanation([first, second], about, stanzas), null)
  t.equal(faultOfExplanation([first], about, stanzas), 'it excludes nothing')
  t.equal(faultOfExplanation([first, second, idle], about, stanzas), `it holds without: ${idle}`)
  const lie = second.replace('1:128.x', '1:129.x')
  t.equal(faultOfExplanation([first, lie], about, stanzas), `not what the stanzas say: ${lie}`)
  t.end()
})
