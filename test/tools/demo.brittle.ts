/** The demo as a process: to its end with and without apt, and ended early; in each case nothing may be left. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'brittle'
import type { Assert } from 'brittle'
import { skipUnless } from '../helpers/requires.ts'

const ROOT = join(import.meta.dirname, '../..')
const MINUTES = { timeout: 180_000 }

interface DemoEnd {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly elapsedMs: number
  /** What stands in its temporary folder when it has ended; the compiler's cache aside. */
  readonly left: readonly string[]
}

/** `interruptAt`: Ctrl-C comes when standard output matches. */
async function runDemo(t: Assert, environment: NodeJS.ProcessEnv, interruptAt?: RegExp): Promise<DemoEnd> {
  const temporary = await mkdtemp(join(tmpdir(), 'freshet-demo-test-'))
  t.teardown(() => rm(temporary, { recursive: true, force: true }))
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', 'tools/demo.ts'], {
    cwd: ROOT,
    env: { ...process.env, ...environment, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'), { order: -1 })
  let [stdout, stderr, interrupted] = ['', '', false]
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (interrupted || interruptAt?.test(stdout) !== true) return
    interrupted = true
    child.kill('SIGINT')
    child.kill('SIGINT') // as a terminal and npm together send it
  })
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const left = (await readdir(temporary)).filter((name) => !name.startsWith('tsx-'))
  return { exitCode, stdout, stderr, elapsedMs: performance.now() - startedAtMs, left }
}

function checkStory(t: Assert, { exitCode, stdout, stderr, elapsedMs, left }: DemoEnd): void {
  t.is(exitCode, 0, `exit code: ${stderr}`)
  t.comment(`${(elapsedMs / 1000).toFixed(1)} s`)
  t.alike(left, [], 'nothing is left')
  t.is(stderr, '', 'nothing to complain about')
  const told = stdout.match(/^ +[\d.]+ s {2}(?:anna|ben|cleo) +told: demo #[12] /gm) ?? []
  t.is(told.length, 6, 'three followers are told of two releases')
  for (const part of [
    /^All of it happened, and was checked, in [\d.]+ s$/m,
    /^ {2}releases +2, signed: \d+, then \d+ packages; [\d.]+ k?B, then [\d.]+ k?B of log$/m,
    /^ {2}told +all three followers, by push; of release 2 within [\d.]+ s /m,
    /^ {2}bytes +anna ← publisher +[\d.]+ MB in [\d.]+ s$/m,
    /^ +ben +← anna +[\d.]+ MB in [\d.]+ s, the publisher gone$/m,
    /^ +cleo ← anna and ben +[\d.]+ MB in [\d.]+ s, while .+ waited, the publisher gone$/m,
    /^ {2}left +nothing/m,
  ]) {
    t.ok(part.test(stdout), String(part))
  }
}

test('demo: to its end, with apt → every step and a summary', MINUTES, async (t) => {
  const missing = skipUnless('apt', 'dpkg')
  if (missing !== null) return t.comment(missing)
  const end = await runDemo(t, {})
  checkStory(t, end)
  t.ok(/^ {2}apt +apt-get update [\d.]+ s: signed by the channel's key/m.test(end.stdout), 'apt-get update')
  t.ok(/^ +apt-get download [\d.]+ s: \d+ packages/m.test(end.stdout), 'apt-get download')
})

test('demo: no apt and no other tool is there → the same with a plain HTTP client', MINUTES, async (t) => {
  const end = await runDemo(t, { PATH: '/nonexistent' })
  checkStory(t, end)
  t.ok(/^ {2}HTTP +InRelease and index/m.test(end.stdout), 'InRelease and index')
  t.absent(/apt-get/.test(end.stdout), 'nothing is said of apt')
})

for (const moment of [/serves release 1/, /apt-get update|HTTP client/]) {
  test(`demo: Ctrl-C at ${moment.source} → it fails, says why, and leaves nothing`, MINUTES, async (t) => {
    const { exitCode, stdout, stderr, left } = await runDemo(t, {}, moment)
    t.is(exitCode, 1)
    t.ok(/^The demo did not succeed: interrupted by SIGINT$/m.test(stderr), stderr)
    t.absent(/All of it happened/.test(stdout), 'no summary')
    t.alike(left, [], 'nothing is left')
  })
}
