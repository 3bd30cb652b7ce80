/**
 * `npm run check`: every check of the sources, side by side. Prints what failed, then one line for each check.
 *
 * Nothing here changes a file: `npm run format` does.
 */
import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const BIN = join(ROOT, 'node_modules/.bin')
const FOLDERS = ['schemas', 'store', 'protocols', 'actors', 'tools', 'test']
/** Bytes of one check's output that are kept; a checker that has gone wild is cut off. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

const CHECKS: Readonly<Record<string, readonly string[]>> = {
  format: ['oxfmt', '-c', 'tools/oxfmt.json', '--check', ...FOLDERS, '!**/*.md', '!test/vectors/**'],
  types: ['tsc', '--noEmit', '-p', '.'],
  lint: ['oxlint', '-c', 'tools/oxlint.json', '--type-aware', '--deny-warnings', ...FOLDERS],
  dead: ['knip', '--no-progress'],
  tidy: [process.execPath, '--import', 'tsx', 'tools/tidy.ts'],
}

interface Outcome {
  readonly name: string
  readonly passed: boolean
  readonly output: string
  readonly elapsedMs: number
}

function run(name: string, [command = '', ...args]: readonly string[]): Promise<Outcome> {
  const startedAtMs = performance.now()
  const env = { ...process.env, PATH: [BIN, process.env['PATH']].join(delimiter) }
  return new Promise((resolve) => {
    execFile(command, args, { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      const output = error === null ? '' : `${stdout}${stderr}` || error.message
      resolve({ name, passed: error === null, output, elapsedMs: performance.now() - startedAtMs })
    })
  })
}

const outcomes = await Promise.all(Object.entries(CHECKS).map(([name, command]) => run(name, command)))
for (const { name, output } of outcomes.filter(({ passed }) => !passed))
  console.log(`--- ${name}\n${output.trimEnd()}\n`)
for (const { name, passed, elapsedMs } of outcomes) {
  console.log(`${passed ? 'ok    ' : 'failed'} ${name.padEnd(6)} ${(elapsedMs / 1000).toFixed(1)} s`)
}
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1
