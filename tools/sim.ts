#!/usr/bin/env node
/**
 * `npm run sim`: crowds on a virtual clock, with the exchange that runs on the network (protocols/exchange/).
 *
 * Prints, for each crowd, when the last and the median taker had everything over the bound of Kumar and Ross, what the origin and
 * everybody sent in copies, and a trace: the same seed must give the same one.
 */
import { parseArgs } from 'node:util'
import { kumarRoss } from './sim/bound.ts'
import { CROWDS, type Crowd } from './sim/crowds.ts'
import { simulate } from './sim/world.ts'

const { values } = parseArgs({ options: { crowd: { type: 'string', multiple: true }, seed: { type: 'string' } } })
const seed = Number(values.seed ?? 1)
const crowds = CROWDS.filter(({ name }) => values.crowd === undefined || values.crowd.includes(name))

if (!Number.isSafeInteger(seed) || seed < 0 || crowds.length === 0) {
  console.error(`usage: npm run sim -- [--seed NUMBER] [--crowd ${CROWDS.map(({ name }) => name).join('|')}]...`)
  process.exitCode = 2
} else {
  console.log('| crowd | bound | last | median | origin | all | largest upload | wasted | words a node | trace |')
  console.log('|---|---|---|---|---|---|---|---|---|---|')
  for (const crowd of crowds) console.log(row(crowd))
}

function row(crowd: Crowd): string {
  const { lines, files, what } = crowd
  const [origin, ...all] = lines
  const takers = all.filter((_, index) => crowd.hostile?.has(index + 1) !== true)
  if (origin === undefined) throw new Error(`crowd ${crowd.name} has no origin`)
  const byteLength = files.reduce((sum, file) => sum + file.byteLength, 0)
  const boundS = kumarRoss(byteLength, origin, takers)
  const outcome = simulate({ ...crowd, seed })
  const ratios = outcome.finishedAtMs.map((ms) => ms / 1000 / boundS).sort((a, b) => a - b)
  const cells = [
    `${boundS.toFixed(2)} s`,
    (ratios.at(-1) ?? 0).toFixed(3),
    (ratios[ratios.length >> 1] ?? 0).toFixed(3),
    (outcome.originBytes / byteLength).toFixed(2),
    (outcome.sentBytes / byteLength / takers.length).toFixed(3),
    (outcome.largestUploadBytes / byteLength).toFixed(2),
    `${((100 * outcome.wastedBytes) / outcome.arrivedBytes).toFixed(1)} %`,
    Math.round(outcome.words / (takers.length + 1)).toString(),
    outcome.trace.toString(16),
  ]
  return `| ${what} | ${cells.join(' | ')} |`
}
