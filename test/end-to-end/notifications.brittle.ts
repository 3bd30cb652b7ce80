/** What followers are told, by what they asked for: filters, what their machine has, digests, lists, programs; and over restarts. */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Notification } from '../../actors/notifier.ts'
import { TARGETS_MAX } from '../../schemas/limits.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { OperationName } from '../../tools/operations.ts'
import { operationsOf } from '../../tools/operations.ts'
import { jsonOf, runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode, type TestNodeOptions } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const MINUTE = { timeout: 60_000 }
/** Processes that load everything anew. */
const LONG = { timeout: 300_000 }
const HOUR_MS = 3_600_000

async function publish(t: Assert, publisher: TestNode, versions: Readonly<Record<string, string>>): Promise<number> {
  const directory = await scratchFolder(t)
  for (const [name, version] of Object.entries(versions)) {
    const files = { [`usr/share/${name}`]: `${name} ${version}` }
    await buildDeb(directory, { name, version, architecture: 'amd64', files })
  }
  return (await publisher.importDebs('demo', directory)).release
}

/** A publisher with one release, and a follower that has been told of it. */
async function followed(
  t: Assert,
  versions: Readonly<Record<string, string>>,
  options: TestNodeOptions = {},
  asked = {},
) {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, versions)
  const follower = await network.node(options)
  await follower.call('follow', { id, ...asked })
  await follower.announced(1)
  return { publisher, follower, id }
}

function untold({ node: { session } }: TestNode) {
  return session.notices.fold.untold(session.channel('demo').key)
}

/** What an operation that streams has sent until it ended. */
async function eventsOf(node: TestNode, operation: OperationName, args: object): Promise<Notification[]> {
  const events: Notification[] = []
  const event = async (value: unknown): Promise<void> => void events.push(value as Notification)
  await operationsOf(node.node)[operation](args, { signal: new AbortController().signal, progress: () => {}, event })
  return events
}

async function statusFile(t: Assert, versions: Readonly<Record<string, string>>): Promise<string> {
  const path = join(await scratchFolder(t), 'status')
  const paragraphs = Object.entries(versions).map(
    ([name, version]) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\n`,
  )
  await writeFile(path, paragraphs.join('\n'))
  return path
}

test(
  'notifications: what this machine has → only that, from its own version, and the rest is counted',
  MINUTE,
  async (t) => {
    const status = await statusFile(t, { bash: '1', vim: '9' })
    const asked = { installed: true, statusFile: status }
    const { publisher, follower } = await followed(t, { bash: '2', nano: '1', vim: '1' }, {}, asked)
    await publish(t, publisher, { bash: '3', nano: '2', vim: '2' })
    const told = await follower.announced(2)
    t.alike(
      told.changes?.map(({ name, from, to, installed, upgrade }) => ({ name, from, to, installed, upgrade })),
      [
        { name: 'bash', from: '2', to: '3', installed: '1', upgrade: true },
        { name: 'vim', from: '1', to: '2', installed: '9', upgrade: false },
      ],
    )
    t.alike([told.why, told.leftOut, told.counts.upgraded], [{ upgrade: 1, security: 0, new: 0 }, 1, 2])
    t.ok(told.upgradeBytes > 0 && told.upgradeBytes < told.bytes)
  },
)

test(
  'notifications: a release that the filters hold back → is never told, and the next one is, over a restart',
  MINUTE,
  async (t) => {
    const { publisher, follower } = await followed(t, { libone: '1', other: '1' }, {}, { packages: ['lib*'] })
    await publish(t, publisher, { libone: '1', other: '2' })
    await follower.until('it is looked at', () => untold(follower).told === 2)
    await follower.stop()
    await publish(t, publisher, { libone: '1', other: '3' })
    await publish(t, publisher, { libone: '2', other: '4' })
    await follower.start()
    const told = await follower.announced(4)
    t.alike([told.number, told.previous, told.leftOut], [2, 3, 1])
    await follower.call('subscription.set', { channel: 'demo', everything: true, urgency: 'medium' })
    await publish(t, publisher, { libone: '2', other: '5' })
    t.alike(
      (await follower.announced(5)).changes?.map(({ name, urgency }) => `${name} ${urgency}`),
      ['other medium'],
    )
    t.alike(
      follower.notifications.map(({ release }) => release),
      [1, 4, 5],
    )
  },
)

test(
  'notifications: final → one for all that came in an absence; hourly → one for what came in an hour',
  MINUTE,
  async (t) => {
    let aheadMs = 0
    const options = { now: () => Date.now() + aheadMs }
    const { publisher, follower } = await followed(t, { aa: '1' }, options, { interval: 'final' })
    await follower.stop()
    for (const version of ['2', '3', '4']) await publish(t, publisher, { aa: version })
    await follower.start()
    const late = await follower.announced(4)
    t.alike([late.previous, late.interval, late.changes?.[0]?.from, late.changes?.[0]?.to], [1, 'final', '1', '4'])
    await follower.call('subscription.set', { channel: 'demo', interval: 'hourly' })
    for (const version of ['5', '6']) await publish(t, publisher, { aa: version })
    await follower.until('both are collected', () => untold(follower).ready === 6)
    aheadMs = HOUR_MS
    await publish(t, publisher, { aa: '7' }) // or a minute passes: a clock that jumps wakes nobody
    const digest = await follower.announced(7)
    t.alike([digest.number, digest.previous, digest.interval], [3, 4, 'hourly'])
    t.is(digest.changes?.length, 1, 'what changed and changed again is one change')
  },
)

test(
  'notifications: the list → since a number, of one channel, the same over restarts, and then what comes',
  MINUTE,
  async (t) => {
    const { publisher, follower, id } = await followed(t, { aa: '1' })
    await publish(t, publisher, { aa: '2' })
    await follower.announced(2)
    const list = await eventsOf(follower, 'notifications', { since: 0 })
    t.alike(list, follower.notifications, 'what was told')
    t.alike(await eventsOf(follower, 'notifications', { since: 1, channel: id }), list.slice(1))
    await follower.stop()
    await follower.start()
    t.alike(await eventsOf(follower, 'notifications', { since: 0 }), list)
    t.is(await codeOf(follower.call('notifications', { since: 0, channel: 'nobody' })), 'CHANNEL_UNKNOWN')
    const told: Notification[] = []
    const reader = new AbortController()
    const event = async (value: unknown): Promise<void> => void told.push(value as Notification)
    const args = { since: 1, follow: true }
    const reading = operationsOf(follower.node).notifications(args, {
      signal: reader.signal,
      progress: () => {},
      event,
    })
    await publish(t, publisher, { aa: '3' })
    await follower.until('the reader has it', () => told.length === 2)
    reader.abort()
    await reading
    t.alike(
      told.map(({ number }) => number),
      [2, 3],
    )
  },
)

test(
  'notifications: a hook → each release while it is there, also those that came while the node was down',
  MINUTE,
  async (t) => {
    const { publisher, follower } = await followed(t, { aa: '1' })
    const folder = await scratchFolder(t)
    const [hook, output] = [join(folder, 'hook'), join(folder, 'output')]
    await writeFile(hook, `#!/bin/sh\necho "$FRESHET_RELEASE" >> '${output}'\n`)
    await chmod(hook, 0o700)
    await follower.call('delivery.add', { kind: 'hook', place: hook })
    await publish(t, publisher, { aa: '2' })
    const given = async (): Promise<string> => readFile(output, 'utf8').catch(() => '')
    await follower.until('the hook has run', async () => (await given()) === '2\n')
    await follower.stop()
    for (const version of ['3', '4']) await publish(t, publisher, { aa: version })
    await follower.start()
    await follower.until('it has run for the rest', async () => (await given()) === '2\n3\n4\n')
  },
)

test(
  'notifications: filters, targets and numbers that cannot be → a code, and nothing is changed',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const node = await network.node({ offline: true })
    const id = await node.createChannel('demo')
    const before = await node.call('subscription.list')
    const channel = 'demo'
    const wrong: [string, OperationName, object][] = [
      ['GLOB_INVALID', 'subscription.set', { channel, packages: ['[x]'] }],
      ['FILTER_INVALID', 'subscription.set', { channel, packages: ['a'], urgency: 'most' }],
      ['FILTER_INVALID', 'subscription.set', { channel, sections: ['../..'] }],
      ['FILTER_INVALID', 'follow', { id, interval: 'weekly' }],
      ['STATUS_INVALID', 'subscription.set', { channel, installed: true, statusFile: '/nonexistent' }],
      ['USAGE', 'subscription.set', { channel, packages: 'a' }],
      ['CHANNEL_UNKNOWN', 'subscription.set', { channel: 'other', packages: ['a'] }],
      ['WEBHOOK_INVALID', 'delivery.add', { kind: 'webhook', place: 'ftp://example.org/' }],
      ['HOOK_INVALID', 'delivery.add', { kind: 'hook', place: '/etc' }],
      ['HOOK_INVALID', 'delivery.add', { kind: 'hook', place: '/etc/passwd' }],
      ['HOOK_INVALID', 'delivery.add', { kind: 'hook', place: 'hook' }],
      ['TARGET_UNKNOWN', 'delivery.remove', { kind: 'desktop' }],
      ['USAGE', 'delivery.add', { kind: 'pager', place: '5' }],
      ['USAGE', 'delivery.add', { kind: 'desktop', place: 'left' }],
      ['USAGE', 'notifications', { since: -1 }],
    ]
    for (const [code, operation, args] of wrong) {
      t.is(await codeOf(node.call(operation, args)), code, `${operation} ${JSON.stringify(args)}`)
    }
    for (let i = 0; i < TARGETS_MAX; i++) {
      await node.call('delivery.add', { kind: 'webhook', place: `http://127.0.0.1:9/${i}` })
    }
    t.is(await codeOf(node.call('delivery.add', { kind: 'desktop' })), 'TARGETS_FULL')
    t.is(
      await codeOf(node.call('delivery.add', { kind: 'webhook', place: 'http://127.0.0.1:9/0' })),
      'accepted',
      'known',
    )
    t.alike(await node.call('subscription.list'), before)
  },
)

test('commands: subscription, deliver, notifications → JSON, codes, with a daemon and without', LONG, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, { aa: '1' })
  const at = ['--home', await scratchFolder(t)]
  const daemon = startCommand(t, 'start', '--gateway', '127.0.0.1:0', '--bootstrap', network.address, '--json', ...at)
  await daemon.line()
  const filters = ['--package', 'a*', '--package', 'b?', '--interval', 'final']
  const { subscription } = await jsonOf<{ subscription: object }>('follow', id, '--detach', ...filters, ...at)
  t.alike(subscription, {
    ...{ channel: id, id, packages: ['a*', 'b?'], sections: [], priorities: [], architectures: [], urgency: null },
    ...{ installed: false, statusFile: null, interval: 'final' },
  })
  const line = await daemon.line((text) => text.includes('"event":"release"'))
  t.is((JSON.parse(line) as Notification).release, 1)
  const set = await jsonOf<object>('subscription', 'set', 'demo', '--section', 'admin', '--urgency', 'high', ...at)
  t.alike(set, { ...subscription, channel: 'demo', sections: ['admin'], urgency: 'high' })
  const added = await jsonOf<object>('deliver', 'add', 'webhook', 'http://127.0.0.1:9/hook', ...at)
  const target = { kind: 'webhook', place: 'http://127.0.0.1:9/hook', done: 1, waiting: 0, undelivered: 0 }
  t.alike(added, { targets: [{ ...target, tries: 0, trouble: null, retryAt: null }] })
  const { exitCode, stderr } = await runCommand('deliver', 'remove', 'desktop', '--json', ...at)
  t.alike([exitCode, (JSON.parse(stderr) as { error: { code: string } }).error.code], [1, 'TARGET_UNKNOWN'])
  await daemon.signal('SIGTERM')
  t.alike(await jsonOf('subscription', 'list', ...at), { subscriptions: [set] }, 'without a daemon')
  const [told] = (await runCommand('notifications', '--json', ...at)).stdout.trim().split('\n')
  const { event, number, channel, release } = JSON.parse(told ?? '') as Notification
  t.alike([event, number, channel, release], ['release', 1, 'demo', 1])
})
