import fc from 'fast-check'
import test from 'tape'
import type { FetchReport } from '../../schemas/fetch-report.ts'
import { decodeFact, encodeFact, type Fact } from '../../schemas/journal.ts'
import type { NotifiedRelease } from '../../schemas/notified-release.ts'
import type { DigestHex, KeyHex } from '../../schemas/units.ts'
import { differing, golden } from '../helpers/golden.ts'
import { refusalOf } from '../helpers/refusal.ts'

const key = '01'.repeat(32) as KeyHex
const digest = 'ab'.repeat(32) as DigestHex
const treeHash = 'cd'.repeat(32) as DigestHex
const atMs = 1_700_000_000_000

const target = { kind: 'webhook', place: 'https://example.org/freshet?token=1' } as const
const notified: NotifiedRelease = {
  uid: Buffer.alloc(32, 8),
  number: 12,
  previous: 1,
  release: 2,
  publishedAtMs: atMs,
  releasedAtMs: atMs - 1,
  packages: 63_440,
  behind: 1,
  interval: 'daily',
  counts: { added: 0, removed: 0, upgraded: 1, downgraded: 0, changed: 0 },
  why: { upgrade: 1, security: 1, new: 0, conflicts: 1 },
  bytes: 1_500_000,
  upgradeBytes: 1_500_000,
  leftOut: 3,
  changes: [
    {
      kind: 'upgraded',
      name: 'bash',
      architecture: 'amd64',
      from: '5.2-1',
      to: '5.2-2',
      byteLength: 1_500_000,
      section: 'shells',
      priority: 'required',
      urgency: 'high',
      security: true,
      installed: '5.2-1',
      upgrade: true,
      conflicts: ['bash-doc'],
    },
  ],
}
const report: FetchReport = {
  heldBytes: 262_144,
  queuedMs: 3,
  logMs: 12,
  sourceMs: 205,
  bytesMs: 61_000,
  endMs: 40,
  sources: [
    { kind: 'lan', name: '0badc0de', bytes: 60_000_000, asked: 229, refused: 0, declined: 0, code: null },
    {
      kind: 'mirror',
      name: 'http://192.168.0.2/debian',
      bytes: 9_737_856,
      asked: 38,
      refused: 0,
      declined: 0,
      code: 'IO_ERROR',
    },
    { kind: 'peer', name: '', bytes: 0, asked: 3, refused: 2, declined: 7, code: null },
  ],
}

const SAMPLES: { [Type in Fact['type']]: Extract<Fact, { type: Type }> } = {
  'channel.added': { type: 'channel.added', key, name: 'bookworm', role: 'follower', atMs },
  'head.accepted': { type: 'head.accepted', key, length: 300, fork: 0, treeHash, atMs },
  'release.ready': { type: 'release.ready', key, length: 300, number: 2, block: 299, atMs },
  'release.refused': { type: 'release.refused', key, length: 300, code: 'SNAPSHOT_MISMATCH', atMs },
  'channel.stopped': { type: 'channel.stopped', key, code: 'HISTORY_REWRITE', atMs },
  'artifact.wanted': {
    type: 'artifact.wanted',
    key,
    digest,
    byteLength: 70_000_000,
    piecesRoot: Buffer.alloc(32, 9),
    atMs,
    path: 'pool/main/b/bash/bash_5.2-1_amd64.deb',
    block: 1_234,
  },
  'artifact.kept': { type: 'artifact.kept', digest, byteLength: 70_000_000, atMs, report },
  'artifact.unavailable': { type: 'artifact.unavailable', digest, code: 'NO_PEERS', atMs, report },
  'channel.moved': { type: 'channel.moved', key, retiredAs: 'bookworm.ybndrfg8', successor: treeHash as never, atMs },
  'journal.compacted': { type: 'journal.compacted', factsBefore: 20_001, atMs },
  'channel.frozen': { type: 'channel.frozen', key, number: 2, validUntilMs: atMs - 1, atMs },
  'channel.thawed': { type: 'channel.thawed', key, number: 3, atMs },
  'mirrors.chosen': { type: 'mirrors.chosen', key, urls: ['http://192.168.0.2/debian'], atMs },
  'subscription.chosen': {
    type: 'subscription.chosen',
    key,
    subscription: {
      packages: ['lib*'],
      sections: ['contrib/admin'],
      priorities: ['required'],
      architectures: ['amd64'],
      urgency: 'high',
      installed: true,
      statusFile: '/var/lib/dpkg/status',
      interval: 'daily',
    },
    atMs,
  },
  'notification.made': { type: 'notification.made', key, notified, atMs },
  'release.passed': { type: 'release.passed', key, number: 2, atMs },
  'notice.made': {
    type: 'notice.made',
    key,
    notice: {
      uid: Buffer.alloc(32, 7),
      number: 13,
      kind: 'withdrawn',
      release: 2,
      validUntilMs: null,
      withdrawn: { name: 'bash', version: '5.2-1', reason: 'loses files', held: true, installed: null },
    },
    atMs,
  },
  'notice.passed': { type: 'notice.passed', key, withdrawn: 3, isFreshnessTold: true, atMs },
  'target.chosen': { type: 'target.chosen', ...target, after: 11, undelivered: 2, atMs },
  'target.removed': { type: 'target.removed', kind: 'desktop', place: '', atMs },
  'delivery.done': { type: 'delivery.done', ...target, number: 12, code: 'DELIVERY_OVERFLOW', atMs },
  'delivery.failed': {
    type: 'delivery.failed',
    ...target,
    number: 12,
    tries: 3,
    sinceMs: atMs - 15_000,
    retryAtMs: atMs + 20_000,
    code: 'WEBHOOK_FAILED',
    atMs,
  },
}

/** What an older version did not say. */
const LIFTED: Readonly<Record<string, object>> = {
  'artifact.wanted 1': { path: null, block: 0 },
  'artifact.kept 1': { report: null },
  'artifact.unavailable 1': { report: null },
  'notification.made 1': {
    notified: {
      ...notified,
      why: { ...notified.why, conflicts: 0 },
      changes: notified.changes?.map((change) => ({ ...change, conflicts: [] })),
    },
  },
}

const TYPES = Object.keys(SAMPLES) as Fact['type'][]
const encoded = Object.fromEntries(TYPES.map((type) => [type, encodeFact(SAMPLES[type])]))

test('journal facts: every type → the golden bytes, to which nothing is changed', (t) => {
  t.deepEqual(differing('journal', encoded), [])
  t.end()
})

test('journal facts: golden bytes of every version there ever was → decode to the sample', (t) => {
  for (const [type, versions] of Object.entries(golden('journal'))) {
    for (const [version, hex] of Object.entries(versions)) {
      const expected = { ...SAMPLES[type as Fact['type']], ...LIFTED[`${type} ${version}`] }
      t.deepEqual(decodeFact(Buffer.from(hex, 'hex')), expected, `${type} ${version}`)
    }
  }
  t.end()
})

test('journal facts: an unknown type or version → VERSION_UNSUPPORTED', (t) => {
  for (const block of [Buffer.alloc(0), Buffer.of(1), Buffer.of(0, 1), Buffer.of(200, 1), Buffer.of(1, 2)]) {
    t.equal(
      refusalOf(() => decodeFact(block)),
      'VERSION_UNSUPPORTED',
      block.toString('hex'),
    )
  }
  t.end()
})

test('journal facts: a damaged block → exactly these bytes, or EVENT_INVALID', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (type, at, octet, cut) => {
      const block = Buffer.from(encoded[type] as Buffer)
      const place = 2 + (at % (block.byteLength - 2))
      block[place] = octet
      const bad = cut ? block.subarray(0, place) : block
      try {
        return encodeFact(decodeFact(bad)).equals(bad)
      } catch (error) {
        return (error as { code?: string }).code === 'EVENT_INVALID'
      }
    }),
    { numRuns: 1000 },
  )
  t.pass('1000 blocks')
  t.end()
})
