/**
 * `npm test [-- PART-OF-A-PATH...]`: runs every test file, prints what failed and what was skipped, and counts.
 *
 * All `.tape.ts` files share one process: they are pure and quick. Each `.brittle.ts` file has a process of its own,
 * because a throw inside a brittle test ends its process. What a test leaves running ends with it.
 * The last line is `N passed, N failed`, counted in asserts.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { readTap, type Runner, type TapReport } from './tap-report.ts'

const ROOT = join(import.meta.dirname, '..')
const RUNNERS: Readonly<Record<Runner, string>> = {
  tape: join(ROOT, 'test/helpers/run-tape.ts'),
  brittle: join(ROOT, 'node_modules/brittle/brittle-node.js'),
}
/** Processes at once. Tests of networks and disks wait more than they compute, but their deadlines are real. */
const JOBS_MAX = 2
const JOB_MS_MAX = 900_000
/** Characters of one process's output that are kept; the rest is dropped, and then the closing line is missing. */
const OUTPUT_CHARACTERS_MAX = 16 * 1024 * 1024
/** Lines shown of the failed asserts of one process. */
const FAILURE_LINES_MAX = 300
/** Last lines shown of a process that ended without saying which assert failed. */
const TAIL_LINES = 40

interface Job {
  readonly name: string
  readonly runner: Runner
  readonly files: readonly string[]
}

interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | null
  readonly crash: string | null
}

const running = new Set<ChildProcess>()

function findJobs(parts: readonly string[]): Job[] {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .toSorted()
  const tape = files.filter((file) => file.endsWith('.tape.ts'))
  const jobs: Job[] = files
    .filter((file) => file.endsWith('.brittle.ts'))
    .map((file) => ({ name: file, runner: 'brittle', files: [file] }))
  if (tape.length > 0) jobs.unshift({ name: `${tape.length} tape files`, runner: 'tape', files: tape })
  return jobs
}

function runJob(job: Job): Promise<Ended> {
  return new Promise((resolve) => {
    let stdout = ''
    let stderr = ''
    let crash: string | null = null
    // Its own process group, so that a daemon which a test started can be ended with it.
    const child = spawn(process.execPath, ['--import', 'tsx', RUNNERS[job.runner], ...job.files], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    const deadline = setTimeout(() => {
      crash = `was ended after ${JOB_MS_MAX / 1000} s`
      endGroup(child)
    }, JOB_MS_MAX)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < OUTPUT_CHARACTERS_MAX) stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < OUTPUT_CHARACTERS_MAX) stderr += text
    })
    child.on('error', (error) => (crash = error.message))
    child.on('exit', (_code, signal) => {
      if (signal !== null) crash ??= `was ended by ${signal}`
      endGroup(child) // what it left running would also keep its output open
    })
    child.on('close', (exitCode) => {
      clearTimeout(deadline)
      running.delete(child)
      resolve({ stdout, stderr, exitCode, crash })
    })
  })
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // the whole group has ended already
  }
}

function show(job: Job, report: TapReport, { stdout, stderr }: Ended, elapsedMs: number): void {
  const counts = `${report.passed} passed${report.failed > 0 ? `, ${report.failed} FAILED` : ''}`
  const seconds = (elapsedMs / 1000).toFixed(1)
  console.log(`${report.failed > 0 ? 'FAILED' : 'ok    '} ${job.name}: ${counts}, ${seconds} s`)
  for (const skip of report.skips) console.log(`  SKIPPED ${skip}`)
  if (report.failed === 0) return
  for (const line of report.failures.slice(0, FAILURE_LINES_MAX)) console.log(`  ${line}`)
  if (report.complaint !== null) console.log(`  ${report.complaint}`)
  const said = stderr.trim() === '' && report.complaint !== null ? stdout : stderr
  for (const line of said.trimEnd().split('\n').slice(-TAIL_LINES)) if (line !== '') console.log(`  | ${line}`)
}

async function runAll(jobs: readonly Job[]): Promise<TapReport[]> {
  const queue = [...jobs]
  const reports: TapReport[] = []
  async function work(): Promise<void> {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const startedAtMs = performance.now()
      const ended = await runJob(job)
      const report = readTap(job.runner, ended.stdout, ended.exitCode, ended.crash)
      show(job, report, ended, performance.now() - startedAtMs)
      reports.push(report)
    }
  }
  await Promise.all(Array.from({ length: JOBS_MAX }, work))
  return reports
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(1)
  })
}
const jobs = findJobs(process.argv.slice(2))
const reports = await runAll(jobs)
const sum = (count: (report: TapReport) => number) => reports.reduce((total, report) => total + count(report), 0)
const skipped = sum(({ skips }) => skips.length)
if (skipped > 0) console.log(`${skipped} SKIPPED (the lines above say what they need)`)
if (jobs.length === 0) console.log('no test file matches')
const failed = sum((report) => report.failed)
console.log(`${sum(({ passed }) => passed)} passed, ${failed} failed`)
process.exitCode = failed > 0 || jobs.length === 0 ? 1 : 0
