/**
 * Targets of notifications, real ones: programs that hang, shout or fail, servers that are not there, a desktop that is a script. The
 * journal is a fold in memory, and the clock the test's, so that an hour is over when everybody has waited for it.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { NotificationFold } from '../../actors/notification-fold.ts'
import type { Notification } from '../../actors/notifier.ts'
import { Deliveries, type Effect, EFFECTS } from '../../actors/ports/deliver.ts'
import { runProgram } from '../../actors/ports/run-program.ts'
import type { Fact, FactOf } from '../../schemas/journal.ts'
import { HOOK_OUTPUT_BYTES_MAX } from '../../schemas/limits.ts'
import { postJson } from '../../protocols/http-post.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'
import { made } from './facts.ts'

const HOUR_MS = 3_600_000
const never = new AbortController().signal

/** A clock that stands still until somebody waits, and then is there at once. */
class Clock {
  nowMs = 1_700_000_000_000
  readonly now = (): number => this.nowMs
  readonly rest = async (ms: number, signal: AbortSignal): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve)) // sockets and processes have their turn
    if (!signal.aborted) this.nowMs += ms
  }
}

/** Targets of a node, whose notifications are numbers. */
class Node {
  readonly fold = new NotificationFold()
  readonly troubles: string[] = []
  readonly clock = new Clock()
  readonly #deliveries: Deliveries
  #onFact: () => void = () => {}

  constructor(t: Assert, effects: Partial<Record<FactOf<'target.chosen'>['kind'], Effect>> = {}) {
    this.#deliveries = new Deliveries({
      fold: this.fold,
      eventOf: (number) => ({ event: 'release', notification: `uid-${number}`, number, ...RELEASE }) as Notification,
      record: async (fact) => this.record(fact),
      now: this.clock.now,
      rest: this.clock.rest,
      effects: { ...EFFECTS, ...effects },
      onTrouble: (_, { code, message }) => void this.troubles.push(`${code} ${message}`),
      onDefect: (error) => t.fail(String(error)),
    })
    t.teardown(() => this.#deliveries.close(), { order: -1 })
  }

  record(fact: Fact): void {
    this.fold.note(fact)
    this.#deliveries.wake()
    this.#onFact()
  }

  add(kind: FactOf<'target.chosen'>['kind'], place: string): void {
    this.record({ type: 'target.chosen', kind, place, after: 0, undelivered: 0, atMs: this.clock.nowMs })
  }

  tell(count: number): void {
    for (let i = 0; i < count; i++) this.record(made(this.fold.kept.newest + 1, this.fold.kept.newest + 1))
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#onFact = resolve))
  }

  done(kind: FactOf<'target.chosen'>['kind'], place: string): number {
    return this.fold.target({ kind, place })?.done ?? 0
  }

  close(): Promise<void> {
    return this.#deliveries.close()
  }
}

const RELEASE = {
  ...{ channel: 'demo', id: 'id', release: 7, previous: 6, publishedAt: '', releasedAt: '', notifiedAt: '' },
  ...{ packages: 3, counts: { added: 0, removed: 0, upgraded: 1, downgraded: 0, changed: 0 } },
  ...{
    why: { upgrade: 1, security: 1, new: 0, conflicts: 0 },
    bytes: 10,
    upgradeBytes: 10,
    leftOut: 0,
    behind: 0,
    interval: 'now',
  },
  changes: [
    {
      ...{
        kind: 'upgraded',
        name: 'bash',
        architecture: 'amd64',
        from: '1',
        to: '3',
        byteLength: 10,
        section: 'shells',
      },
      ...{ priority: 'required', urgency: 'high', security: true, installed: '2', upgrade: true, conflicts: [] },
    },
  ],
}

async function script(t: Assert, body: string, name = 'hook'): Promise<string> {
  const path = join(await scratchFolder(t), name)
  await writeFile(path, `#!/bin/sh\n${body}\n`)
  await chmod(path, 0o700)
  return path
}

async function linesIn(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).trimEnd().split('\n')
}

/** One that was killed may stay as a zombie: it has no parent that asks for it. */
async function isRunning(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')
  return !/\) [ZX]/.test(stat)
}

test('hook: gets each notification as JSON and in its environment, in order, without a shell', async (t) => {
  const output = join(await scratchFolder(t), 'output')
  const path = await script(
    t,
    `echo "$FRESHET_CHANNEL $FRESHET_RELEASE $FRESHET_NOTIFICATION $# $(cat)" >> '${output}'`,
    "it's; $(hook)",
  )
  const node = new Node(t)
  node.add('hook', path)
  node.tell(3)
  await node.until(() => node.done('hook', path) === 3)
  const lines = await linesIn(output)
  t.alike(
    lines.map((line) => line.slice(0, line.indexOf('{'))),
    [1, 2, 3].map((number) => `demo 7 uid-${number} 0 `),
  )
  const [first = ''] = lines
  t.is((JSON.parse(first.slice(first.indexOf('{'))) as Notification).changes?.[0]?.installed, '2')
})

test('hook: hangs, with children → all are killed in time, others go on meanwhile, and it is tried again', async (t) => {
  const folder = await scratchFolder(t)
  const [pid, output] = [join(folder, 'pid'), join(folder, 'output')]
  const hanging = await script(t, `sleep 1000 & echo $! > '${pid}'; trap '' TERM; wait`)
  const quick = await script(t, `cat >> '${output}'`)
  const hook: Effect = (place, { notification }, signal) =>
    runProgram({ program: place, args: [], input: notification, environment: {}, signal, msMax: 400 })
  const node = new Node(t, { hook })
  node.add('hook', hanging)
  node.add('hook', quick)
  node.tell(5)
  await node.until(() => node.done('hook', quick) === 5)
  await node.until(() => (node.fold.target({ kind: 'hook', place: hanging })?.failure?.tries ?? 0) >= 2)
  t.ok(node.troubles[0]?.startsWith('HOOK_TIMEOUT'))
  t.is(node.done('hook', hanging), 0, 'in order: what comes after it waits')
  await node.close()
  const child = (await readFile(pid, 'utf8')).trim()
  while (await isRunning(child)) await new Promise((resolve) => setImmediate(resolve))
  t.pass('nothing that it started is left')
})

test('hook: closed while it runs → it is killed, and nothing is recorded', async (t) => {
  const started = join(await scratchFolder(t), 'started')
  const path = await script(t, `echo yes > '${started}'; sleep 1000`)
  const node = new Node(t)
  node.add('hook', path)
  node.tell(1)
  while ((await readFile(started, 'utf8').catch(() => '')) === '') await new Promise((resolve) => setImmediate(resolve))
  await node.close()
  t.alike(node.fold.target({ kind: 'hook', place: path })?.failure, null)
  t.is(node.done('hook', path), 0)
})

test('program: shouts, fails, does not read, is not there → bounded output, a code', async (t) => {
  const run = (program: string, input = ''): Promise<void> =>
    runProgram({ program, args: [], input, environment: {}, signal: never })
  const shouting = await script(t, `yes 'a line \u001b[31m' | head -c 3000000 >&2; yes | head -c 3000000; exit 3`)
  const error = await run(shouting).then(
    () => null,
    (reason: unknown) => reason as Error & { code: string },
  )
  t.is(error?.code, 'HOOK_FAILED')
  t.ok(
    (error?.message.length ?? 0) < HOOK_OUTPUT_BYTES_MAX && !error?.message.includes('\u001b'),
    error?.message.slice(-60),
  )
  t.is(await codeOf(run(await script(t, 'exit 0'), 'x'.repeat(1_000_000))), 'accepted')
  t.is(await codeOf(run('/nonexistent/hook')), 'HOOK_FAILED')
  t.is(await codeOf(run(await script(t, 'kill -9 $$'))), 'HOOK_FAILED')
})

interface Posted {
  readonly key: string
  readonly number: number
}

async function serve(
  t: Assert,
  port: number,
  respond: (count: number) => number,
): Promise<{ server: Server; posted: Posted[] }> {
  const posted: Posted[] = []
  let count = 0
  const server = createServer((request: IncomingMessage, response) => {
    void bodyOf(request).then((body) => {
      const status = respond(++count)
      const { number } = JSON.parse(body) as Notification
      if (status === 200) posted.push({ key: String(request.headers['idempotency-key']), number })
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('x'.repeat(1000))
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { server, posted }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

test('webhook: down for an hour → tried a few times, then everything once and in order', async (t) => {
  const { server } = await serve(t, 0, () => 200)
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve)) // now nobody listens there
  const node = new Node(t)
  const place = `http://127.0.0.1:${port}/hook?token=secret`
  const startMs = node.clock.nowMs
  node.add('webhook', place)
  node.tell(20)
  await node.until(() => node.clock.nowMs - startMs >= HOUR_MS)
  const tries = node.fold.target({ kind: 'webhook', place })?.failure?.tries ?? 0
  t.ok(tries >= 5 && tries <= 12, `${tries} tries in an hour`)
  t.absent(node.troubles.join().includes('secret'), 'the token is not logged')
  const { posted } = await serve(t, port, () => 200)
  node.tell(5)
  await node.until(() => node.done('webhook', place) === 25)
  t.alike(
    posted,
    Array.from({ length: 25 }, (_, i) => ({ key: `uid-${i + 1}`, number: i + 1 })),
  )
  t.ok(node.clock.nowMs - startMs < 1.5 * HOUR_MS, 'within a pause of its return')
})

test('webhook: errors and redirects → failures, tried again under the same key', async (t) => {
  const statuses = [500, 302, 404, 200]
  const { server, posted } = await serve(t, 0, (count) => statuses[count - 1] ?? 200)
  const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const node = new Node(t)
  node.add('webhook', place)
  node.tell(2)
  await node.until(() => node.done('webhook', place) === 2)
  t.alike(
    posted.map(({ key }) => key),
    ['uid-1', 'uid-2'],
  )
  t.is(node.troubles.length, 3)
})

test('webhook: accepts and never answers → WEBHOOK_FAILED in time', async (t) => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  t.is(await codeOf(postJson({ url, body: '{}', headers: {}, signal: never, msMax: 200 })), 'WEBHOOK_FAILED')
})

test('desktop: a notify-send on PATH gets a summary and the packages; where there is none it is passed over', async (t) => {
  const output = join(await scratchFolder(t), 'output')
  const stub = await script(t, `for word in "$@"; do echo "[$word]" >> '${output}'; done`, 'notify-send')
  const { PATH } = process.env
  t.teardown(() => (process.env['PATH'] = PATH))
  process.env['PATH'] = `${join(stub, '..')}:${PATH}`
  const node = new Node(t)
  node.add('desktop', '')
  node.tell(1)
  await node.until(() => node.done('desktop', '') === 1)
  t.alike(await linesIn(output), [
    '[--app-name=Freshet]',
    '[--]',
    '[demo #7: 1 upgrade for this machine, 1 of security]',
    '[bash 2 → 3]',
  ])
  process.env['PATH'] = join(stub, '..', 'nowhere')
  node.tell(4)
  await node.until(() => node.done('desktop', '') === 5)
  t.is(node.fold.target({ kind: 'desktop', place: '' })?.undelivered, 4)
  t.is(node.troubles.length, 1, 'and said once')
})

test('targets: removed, and named anew → from then on', async (t) => {
  const output = join(await scratchFolder(t), 'output')
  const path = await script(t, `echo "$FRESHET_NOTIFICATION" >> '${output}'`)
  const node = new Node(t)
  node.add('hook', path)
  node.tell(1)
  await node.until(() => node.done('hook', path) === 1)
  const gone = { kind: 'hook', place: path } as const
  node.record({ type: 'target.removed', ...gone, atMs: 0 })
  node.tell(1)
  node.record({ type: 'target.chosen', ...gone, after: 2, undelivered: 0, atMs: 0 })
  node.tell(1)
  await node.until(() => node.done('hook', path) === 3)
  t.alike(await linesIn(output), ['uid-1', 'uid-3'])
})
