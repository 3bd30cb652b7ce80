/**
 * What a test process said, read from its TAP: how many asserts held, which did not, and what was skipped and why.
 *
 * tape writes its asserts at the margin; brittle writes them indented, each test's own result at the margin.
 * A process that ends without its closing `# ok`, or that asserts nothing, has not passed, whatever its exit code.
 */

export type Runner = 'tape' | 'brittle'

export interface TapReport {
  readonly passed: number
  readonly failed: number
  /** One line per skip: the test's title and the reason. */
  readonly skips: readonly string[]
  /** The failed asserts with their titles and details, as the runner printed them. */
  readonly failures: readonly string[]
  /** Why the process as a whole counts as one failure, when it does. */
  readonly complaint: string | null
}

/** A directive of the runner, or the sentence of test/helpers/requires.ts as a comment or as the name of an assert. */
const SKIP = /^# SKIP |^(# |ok \d+ (- )?)skipped: needs | # SKIP$/
const RESULT = /^( *)(not )?ok \d+/
const CLOSING = /^# (tests|pass|fail|asserts|time|ok|not ok)\b/

/** @param crash why the process did not end by itself with exit code 0 or 1, or null. */
export function readTap(runner: Runner, output: string, exitCode: number | null, crash: string | null): TapReport {
  const failures: string[] = []
  const skips: string[] = []
  let passed = 0
  let failed = 0
  let title = ''
  let failedInTest = 0
  let inDetails = false
  let lastResultBad = false

  function fail(line: string): void {
    failed += 1
    failedInTest += 1
    failures.push(title, line)
  }
  function readResult(line: string, isAssert: boolean, isBad: boolean): void {
    if (SKIP.test(line.trim())) skips.push(isAssert ? `${title}: ${line.trim()}` : line)
    else if (isAssert && isBad) fail(line)
    else if (isAssert) passed += 1
    else if (isBad && failedInTest === 0) fail(line) // a plan that was not met, or a test that never ended
    if (!isAssert) failedInTest = 0
  }

  for (const line of output.split('\n')) {
    const text = line.trim()
    const result = RESULT.exec(line)
    if (inDetails || text === '---') {
      inDetails = text !== '...'
      if (lastResultBad) failures.push(line)
    } else if (result !== null) {
      lastResultBad = result[2] !== undefined
      readResult(line, runner === 'tape' || (result[1]?.length ?? 0) > 0, lastResultBad)
    } else if (SKIP.test(text)) skips.push(text.startsWith('# SKIP') ? text : `${title}: ${text}`)
    else if (text.startsWith('# ') && !CLOSING.test(text)) title = text
  }

  const complaint = crash ?? complaintAbout(passed, failed, skips.length, output, exitCode)
  return { passed, failed: complaint === null ? failed : failed + 1, skips, failures, complaint }
}

function complaintAbout(
  passed: number,
  failed: number,
  skipped: number,
  output: string,
  exitCode: number | null,
): string | null {
  if (failed > 0) return null
  if (exitCode !== 0) return `ended with exit code ${exitCode} and no failed assert`
  if (!/^# ok$/m.test(output)) return 'ended before its closing line'
  if (passed === 0 && skipped === 0) return 'asserts nothing'
  return null
}
