/** Operations about subscriptions, notifications and where they go. */
import { access, constants, stat } from 'node:fs/promises'
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import type { TargetName } from '../actors/notices.ts'
import type { TargetState } from '../actors/notification-policy.ts'
import type { NodeEvent } from '../actors/notifier.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { FreshetError } from '../schemas/errors.ts'
import { TARGET_KINDS } from '../schemas/journal.ts'
import { TARGET_PLACE_BYTES_MAX } from '../schemas/limits.ts'
import { changedSubscription, EVERYTHING } from '../schemas/subscription.ts'
import type { Subscription, SubscriptionChange } from '../schemas/subscription.ts'
import { requireWebhookUrl } from '../schemas/webhook-url.ts'
import { errnoOf } from '../store/durable.ts'
import { InstalledStates, SYSTEM_STATUS } from '../store/installed-packages.ts'
import { countOf, flagOf, optionalTextOf, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export const NOTICE_OPERATIONS = [
  'notifications',
  'subscription.list',
  'subscription.set',
  'delivery.list',
  'delivery.add',
  'delivery.remove',
] as const
type NoticeOperation = (typeof NOTICE_OPERATIONS)[number]

/** A subscription as `--json` shows it. */
export interface SubscriptionView extends Subscription {
  readonly channel: string
  readonly id: string
}

/** A target as `--json` shows it. */
export interface TargetView {
  readonly kind: TargetState['kind']
  /** Path of a hook, URL of a webhook; empty: the desktop. */
  readonly place: string
  /** Number of the newest notification that is done with, how many wait, and how many were given up or passed over. */
  readonly done: number
  readonly waiting: number
  readonly undelivered: number
  /** Of the one that waits: tries in a row, the code of the last, and when it is tried again. */
  readonly tries: number
  readonly trouble: string | null
  readonly retryAt: string | null
}

export function noticeOperations(
  node: Node,
): Record<NoticeOperation, (args: Arguments, io: ControlIo) => Promise<unknown>> {
  const targets = (): { targets: TargetView[] } => {
    const { fold } = node.session.notices
    return { targets: fold.targets.map((target) => targetView(target, fold.kept)) }
  }
  return {
    notifications: (args, io) => notifications(node, args, io),
    'subscription.list': async (args) => {
      const wanted = optionalTextOf(args, 'channel')
      const channels = wanted === null ? node.session.channels : [node.session.channel(wanted)]
      return { subscriptions: channels.map((channel) => subscriptionView(node, channel)) }
    },
    'subscription.set': async (args) => {
      const channel = node.session.channel(textOf(args, 'channel'))
      await subscribe(node, channel, args)
      return subscriptionView(node, channel)
    },
    'delivery.list': async () => targets(),
    'delivery.add': async (args) => {
      await node.session.notices.addTarget(await requireTarget(args))
      return targets()
    },
    'delivery.remove': async (args) => {
      await node.session.notices.removeTarget(targetOf(args))
      return targets()
    },
  }
}

/** Follows a channel; where filters or an interval are named, they are what it is followed for. */
export async function follow(node: Node, args: Arguments): Promise<unknown> {
  changedSubscription(EVERYTHING, changeOf(args)) // before anything is done
  const channel = await node.follow(textOf(args, 'id'), optionalTextOf(args, 'name'))
  await subscribe(node, channel, args)
  return {
    name: channel.name,
    id: channel.log.id,
    release: channel.current?.release.number ?? 0,
    behind: channel.behind,
    frozen: node.frozenSince(channel) !== null,
    subscription: subscriptionView(node, channel),
  }
}

async function subscribe({ session }: Node, { key }: Channel, args: Arguments): Promise<void> {
  const change = changeOf(args)
  if (Object.values(change).every((part) => part === undefined)) return
  const before = session.notices.fold.subscription(key)
  const { installed, statusFile } = changedSubscription(before, change)
  // One that cannot be read now is a slip; one that is away later holds nothing back.
  if (installed) await new InstalledStates().read(statusFile ?? SYSTEM_STATUS)
  await session.notices.subscribe(key, change)
}

/** `everything` first: what is named beside it is then all there is. */
function changeOf(args: Arguments): SubscriptionChange {
  const texts = (name: string): readonly string[] | undefined =>
    args[name] === undefined ? undefined : textsOf(args, name)
  const text = (name: string): string | undefined => (args[name] === undefined ? undefined : textOf(args, name))
  const base: SubscriptionChange = flagOf(args, 'everything') ? { ...EVERYTHING, interval: undefined } : {}
  const named: SubscriptionChange = {
    packages: texts('packages'),
    sections: texts('sections'),
    priorities: texts('priorities'),
    architectures: texts('architectures'),
    urgency: text('urgency'),
    installed: args['installed'] === undefined ? undefined : flagOf(args, 'installed'),
    statusFile: text('statusFile'),
    interval: text('interval'),
  }
  return { ...base, ...Object.fromEntries(Object.entries(named).filter(([, part]) => part !== undefined)) }
}

function subscriptionView({ session }: Node, { key, name, log }: Channel): SubscriptionView {
  return { channel: name, id: log.id, ...session.notices.fold.subscription(key) }
}

/**
 * Events of one channel, or of all: the kept notifications after number `since`, or what this process has said so far (`recent`),
 * then, with `follow`, what comes, until cancelled. None twice, none left out, in order.
 */
async function notifications(node: Node, args: Arguments, io: ControlIo): Promise<unknown> {
  const wanted = optionalTextOf(args, 'channel')
  const { session } = node
  const { notices } = session
  const of = wanted === null ? null : session.channel(wanted)
  const since = countOf(args, 'since')
  let sent: Promise<void> = Promise.resolve()
  const send = (event: NodeEvent): void => {
    if (of !== null && event.id !== of.log.id) return
    sent = sent.then(() => io.event(event)).catch(() => {}) // the reader left: it ends below
  }
  const kept = since === null ? [] : notices.list(since, of?.key ?? null)
  for (const event of kept) send(event)
  if (flagOf(args, 'recent')) node.notifier.recent.forEach(send)
  if (!flagOf(args, 'follow')) {
    await sent
    return { newest: notices.fold.kept.newest }
  }
  const stop = node.onNotification(send)
  const stopWatching = node.notifier.watch(({ id, path, done, total }) => {
    if (of === null || id === of.log.id) io.progress({ phase: 'rebuild', path, done, total })
  })
  try {
    await new Promise<void>((resolve) => {
      if (io.signal.aborted) resolve()
      else io.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    stop()
    stopWatching()
  }
  return {}
}

function targetView(target: TargetState, kept: { readonly newest: number }): TargetView {
  const { kind, place, done, undelivered, failure } = target
  return {
    kind,
    place,
    done,
    waiting: Math.max(kept.newest - done, 0),
    undelivered,
    tries: failure?.tries ?? 0,
    trouble: failure?.code ?? null,
    retryAt: failure === null ? null : new Date(failure.retryAtMs).toISOString(),
  }
}

function targetOf(args: Arguments): TargetName {
  const word = textOf(args, 'kind')
  const kind = TARGET_KINDS.find((name) => name === word)
  if (kind === undefined)
    throw new FreshetError('USAGE', `${JSON.stringify(word)} is not one of ${TARGET_KINDS.join(', ')}`)
  const place = optionalTextOf(args, 'place')
  if (kind === 'desktop') {
    if (place !== null) throw new FreshetError('USAGE', 'the desktop has no place')
    return { kind, place: '' }
  }
  if (place === null) throw new FreshetError('USAGE', `name the ${kind}`)
  return { kind, place: kind === 'webhook' ? requireWebhookUrl(place) : place }
}

/** @throws FreshetError HOOK_INVALID, WEBHOOK_INVALID. */
async function requireTarget(args: Arguments): Promise<TargetName> {
  const target = targetOf(args)
  if (target.kind === 'hook') await requireHook(target.place)
  return target
}

async function requireHook(path: string): Promise<void> {
  const shown = JSON.stringify(path.slice(0, 200))
  if (!path.startsWith('/') || path.includes('\0') || Buffer.byteLength(path) > TARGET_PLACE_BYTES_MAX) {
    throw new FreshetError('HOOK_INVALID', `${shown} is not an absolute path`)
  }
  try {
    if (!(await stat(path)).isFile()) throw new FreshetError('HOOK_INVALID', `${shown} is no file`)
    await access(path, constants.X_OK)
  } catch (error) {
    if (error instanceof FreshetError) throw error
    throw new FreshetError('HOOK_INVALID', `${shown} cannot be run: ${errnoOf(error) ?? 'unknown'}`, {}, error)
  }
}
