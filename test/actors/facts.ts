/** Lists of facts as a node could record them, and as it could not, for the tests of machines and folds. */
import fc from 'fast-check'
import type { ChannelNotice } from '../../schemas/channel-notice.ts'
import type { Fact, FactOf } from '../../schemas/journal.ts'
import type { NotifiedRelease } from '../../schemas/notified-release.ts'
import { EVERYTHING, type Subscription } from '../../schemas/subscription.ts'
import type { DigestHex, KeyHex } from '../../schemas/units.ts'

export const KEY = '01'.repeat(32) as KeyHex
export const OTHER_KEY = '02'.repeat(32) as KeyHex
export const DIGESTS = ['aa', 'bb', 'cc'].map((octet) => octet.repeat(32) as DigestHex)
const treeHash = 'cd'.repeat(32) as DigestHex
const atMs = 1_700_000_000_000

export const added = (key: KeyHex = KEY, name = 'demo'): FactOf<'channel.added'> => {
  return { type: 'channel.added', key, name, role: 'follower', atMs }
}
export const head = (length: number, key: KeyHex = KEY): FactOf<'head.accepted'> => {
  return { type: 'head.accepted', key, length, fork: 0, treeHash, atMs }
}
export const ready = (length: number, number: number, key: KeyHex = KEY): FactOf<'release.ready'> => {
  return { type: 'release.ready', key, length, number, block: length - 1, atMs }
}
export const refused = (length: number, key: KeyHex = KEY): FactOf<'release.refused'> => {
  return { type: 'release.refused', key, length, code: `CODE_${length}`, atMs }
}
export const stopped = (key: KeyHex = KEY): FactOf<'channel.stopped'> => {
  return { type: 'channel.stopped', key, code: 'HISTORY_REWRITE', atMs }
}
export const frozen = (validUntilMs: number, key: KeyHex = KEY): FactOf<'channel.frozen'> => {
  return { type: 'channel.frozen', key, number: 1, validUntilMs, atMs }
}
export const thawed = (key: KeyHex = KEY): FactOf<'channel.thawed'> => {
  return { type: 'channel.thawed', key, number: 2, atMs }
}
export const moved = (key: KeyHex = KEY, successor: KeyHex = OTHER_KEY): FactOf<'channel.moved'> => {
  return { type: 'channel.moved', key, retiredAs: 'demo.old', successor, atMs }
}
export const chosen = (url: string, key: KeyHex = KEY): FactOf<'mirrors.chosen'> => {
  return { type: 'mirrors.chosen', key, urls: url === '' ? [] : [url], atMs }
}
export const wanted = (digest: DigestHex, byteLength = 1): FactOf<'artifact.wanted'> => {
  return { type: 'artifact.wanted', key: KEY, digest, byteLength, piecesRoot: null, path: null, block: 0, atMs }
}
export const kept = (digest: DigestHex): FactOf<'artifact.kept'> => {
  return { type: 'artifact.kept', digest, byteLength: 1, atMs, report: null }
}
export const unavailable = (digest: DigestHex, code = 'NO_PEERS'): FactOf<'artifact.unavailable'> => {
  return { type: 'artifact.unavailable', digest, code, atMs, report: null }
}

export const subscribed = (change: Partial<Subscription> = {}, key: KeyHex = KEY): FactOf<'subscription.chosen'> => {
  return { type: 'subscription.chosen', key, subscription: { ...EVERYTHING, ...change }, atMs }
}
/** Number `number` of the node's list, which tells of everything up to release `release`. */
export const made = (number: number, release: number, key: KeyHex = KEY, at = atMs): FactOf<'notification.made'> => {
  const zero = { added: 0, removed: 0, upgraded: 0, downgraded: 0, changed: 0 }
  const times = { publishedAtMs: atMs, releasedAtMs: atMs }
  const notified: NotifiedRelease = {
    ...{ uid: Buffer.alloc(32, number), number, previous: release - 1, release, ...times, packages: 1, behind: 0 },
    ...{
      interval: 'now',
      counts: zero,
      why: { upgrade: 0, security: 0, new: 0, conflicts: 0 },
      bytes: 0,
      upgradeBytes: 0,
    },
    ...{ leftOut: 0, changes: [] },
  }
  return { type: 'notification.made', key, notified, atMs: at }
}
export const passed = (number: number, key: KeyHex = KEY, at = atMs): FactOf<'release.passed'> => {
  return { type: 'release.passed', key, number, atMs: at }
}
/** Number `number` of the node's list: a version was withdrawn, or the channel froze or thawed. */
export const noticed = (number: number, kind: ChannelNotice['kind'], key: KeyHex = KEY): FactOf<'notice.made'> => {
  const version = { name: 'bash', version: '1', reason: 'loses files', held: null, installed: null }
  const withdrawn = kind === 'withdrawn' ? version : null
  const notice = { uid: Buffer.alloc(32, number), number, kind, release: 1, validUntilMs: null, withdrawn }
  return { type: 'notice.made', key, notice, atMs }
}
/** The first `withdrawn` withdrawals have been looked at. */
export const noticePassed = (withdrawn: number, key: KeyHex = KEY): FactOf<'notice.passed'> => {
  return { type: 'notice.passed', key, withdrawn, isFreshnessTold: false, atMs }
}
const HOOK = { kind: 'hook', place: '/hook' } as const
export const targetChosen = (after = 0): FactOf<'target.chosen'> => {
  return { type: 'target.chosen', ...HOOK, after, undelivered: 0, atMs }
}
export const targetRemoved = (): FactOf<'target.removed'> => ({ type: 'target.removed', ...HOOK, atMs })
export const delivered = (number: number, failure = '', at = atMs): FactOf<'delivery.done'> => {
  return { type: 'delivery.done', ...HOOK, number, code: failure, atMs: at }
}
export const undelivered = (number: number, tries = 1): FactOf<'delivery.failed'> => {
  const times = { sinceMs: atMs, retryAtMs: atMs + tries, atMs }
  return { type: 'delivery.failed', ...HOOK, number, tries, ...times, code: 'HOOK_FAILED' }
}

/** Small numbers, so that lengths repeat, go back and meet. A stop is rare: nothing counts after it. */
export function anyFollowFact(key: KeyHex) {
  const length = fc.integer({ min: 1, max: 9 })
  return fc.oneof(
    { arbitrary: length.map((blocks) => head(blocks, key)), weight: 8 },
    { arbitrary: fc.tuple(length, length).map(([blocks, number]) => ready(blocks, number, key)), weight: 6 },
    { arbitrary: length.map((blocks) => refused(blocks, key)), weight: 6 },
    { arbitrary: fc.constant(stopped(key)), weight: 1 },
  )
}

/** Of subscriptions, notifications and the one target that there is. */
function anyNoticeFact(): fc.Arbitrary<Fact> {
  const [key, number, at] = [
    fc.constantFrom(KEY, OTHER_KEY),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
  ]
  return fc.oneof(
    fc.tuple(number, number, key, at).map((of): Fact => made(...of)),
    fc.tuple(number, key, at).map((of): Fact => passed(...of)),
    fc
      .tuple(number, fc.constantFrom('withdrawn' as const, 'frozen' as const, 'thawed' as const), key)
      .map((of): Fact => noticed(...of)),
    fc.tuple(number, key).map((of): Fact => noticePassed(...of)),
    fc.tuple(number, at).map(([of, tries]): Fact => undelivered(of, tries)),
    fc.tuple(number, fc.constantFrom('', 'HOOK_FAILED'), at).map((of): Fact => delivered(...of)),
    fc.constantFrom<Fact>(targetChosen(), targetChosen(3), targetRemoved()),
    fc.constantFrom<Fact>(subscribed(), subscribed({ interval: 'daily' }, OTHER_KEY)),
  )
}

export const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  { arbitrary: fc.constantFrom(KEY, OTHER_KEY).chain((key) => anyFollowFact(key) as fc.Arbitrary<Fact>), weight: 6 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(KEY, OTHER_KEY), fc.constantFrom(1, 2))
      .chain(([key, validUntilMs]) => fc.constantFrom<Fact>(frozen(validUntilMs, key), thawed(key))),
    weight: 3,
  },
  { arbitrary: fc.constantFrom<Fact>(moved(), moved(OTHER_KEY, KEY)), weight: 1 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom('', 'http://a', 'http://b'), fc.constantFrom(KEY, OTHER_KEY))
      .map(([url, key]): Fact => chosen(url, key)),
    weight: 1,
  },
  { arbitrary: fc.constantFrom(added(KEY, 'demo'), added(OTHER_KEY, 'other'), added(OTHER_KEY, 'new')), weight: 1 },
  { arbitrary: anyNoticeFact(), weight: 3 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(...DIGESTS), fc.constantFrom(wanted, kept, unavailable))
      .map(([digest, make]): Fact => make(digest)),
    weight: 2,
  },
)
