import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'tape'
import { readTap, type Runner, type TapReport } from '../../tools/tap-report.ts'

const MODULES = join(import.meta.dirname, '../../node_modules')
const RUNNERS = { tape: 'tape/bin/tape', brittle: 'brittle/brittle-node.js' }

/** @returns the report about a test file of these lines, run by the real runner. */
function reportOf(runner: Runner, ...lines: string[]): TapReport {
  const root = mkdtempSync(join(tmpdir(), 'freshet-tap-'))
  try {
    symlinkSync(MODULES, join(root, 'node_modules'))
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(root, 'planted.ts'), [`import test from '${runner}'`, ...lines].join('\n'))
    const command = ['--import', 'tsx', join(MODULES, RUNNERS[runner]), 'planted.ts']
    const { stdout, status } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
    return readTap(runner, stdout, status, null)
  } finally {
    rmSync(root, { recursive: true })
  }
}

const MIXED: Record<Runner, string[]> = {
  tape: [
    "test('good', (t) => { t.equal(1, 1); t.pass('more'); t.end() })",
    "test('bad', (t) => { t.equal(1, 2, 'boo'); t.pass(); t.end() })",
    "test('here not', { skip: 'skipped: needs root' }, (t) => { t.end() })",
    "test('nor here', (t) => { t.comment('skipped: needs apt'); t.end() })",
  ],
  brittle: [
    "test('good', (t) => { t.is(1, 1); t.pass('more') })",
    "test('bad', (t) => { t.is(1, 2, 'boo'); t.pass() })",
    "test('here not', { skip: true }, (t) => { t.fail() })",
    "test('nor here', (t) => { t.comment('skipped: needs apt') })",
  ],
}

for (const runner of ['tape', 'brittle'] as const) {
  test(`tap report: ${runner} with good, bad and skipped tests → each counted, the bad and the skipped named`, (t) => {
    const { passed, failed, failures, skips, complaint } = reportOf(runner, ...MIXED[runner])
    t.deepEqual({ passed, failed, complaint }, { passed: 3, failed: 1, complaint: null })
    t.equal(failures[0]?.trim(), '# bad')
    t.match(failures[1] ?? '', /^ *not ok \d (- )?boo$/)
    t.ok(
      failures.some((line) => /expected: 2/.test(line)),
      'details are kept',
    )
    t.equal(skips.length, 2)
    t.ok(skips[0]?.includes('here not'))
    t.ok(skips[1]?.includes('nor here: # skipped: needs apt'))
    t.end()
  })

  test(`tap report: ${runner} that is all good → no failure`, (t) => {
    const end = runner === 'tape' ? 't.end()' : ''
    const report = reportOf(runner, `test('good', (t) => { t.pass(); ${end} })`)
    t.deepEqual(report, { passed: 1, failed: 0, skips: [], failures: [], complaint: null })
    t.end()
  })

  test(`tap report: ${runner} that skips everything → no failure, the skip named`, (t) => {
    const { failed, skips } = reportOf(runner, "test('nothing', { skip: true }, (t) => { t.fail() })")
    t.equal(failed, 0)
    t.equal(skips.length, 1)
    t.end()
  })

  test(`tap report: ${runner} that throws, leaves early, hangs or asserts nothing → one failure`, (t) => {
    const bodies = ["throw new Error('no')", 'process.exit(0)', 'return new Promise(() => {})', 'if (t.end) t.end']
    for (const body of bodies) {
      const { failed } = reportOf(runner, `test('planted', async (t) => { ${body} })`)
      t.equal(failed, 1, body)
    }
    t.end()
  })
}

test('tap report: a process that was ended → one failure that says why', (t) => {
  const report = readTap('brittle', '    ok 1 - one\n', null, 'was ended after 300 s')
  t.deepEqual(report, { passed: 1, failed: 1, skips: [], failures: [], complaint: 'was ended after 300 s' })
  t.end()
})
