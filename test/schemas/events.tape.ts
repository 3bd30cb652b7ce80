import fc from 'fast-check'
import test from 'tape'
import { POSITION_STEP } from '../../schemas/chain-position.ts'
import { decodeEvent, encodeEvent, expectEvent, type ChannelEvent } from '../../schemas/events.ts'
import { EVENT_BYTES_MAX, TIME_MS_MAX } from '../../schemas/limits.ts'
import { differing, golden } from '../helpers/golden.ts'
import { refusalOf } from '../helpers/refusal.ts'

const SAMPLES: { [Type in ChannelEvent['type']]: Extract<ChannelEvent, { type: Type }> } = {
  genesis: {
    type: 'genesis',
    name: 'bookworm',
    kind: 'deb',
    createdAtMs: 1_700_000_000_000,
    indexKey: Buffer.alloc(32, 1),
    signingKey: Buffer.from('-----BEGIN PGP PUBLIC KEY BLOCK-----'),
    predecessor: { key: Buffer.alloc(32, 12), length: 300, treeHash: Buffer.alloc(32, 13) },
    upstream: {
      key: Buffer.alloc(32, 15),
      number: 258,
      block: 70_300,
      hash: Buffer.alloc(32, 16),
      treeHash: Buffer.alloc(32, 17),
    },
  },
  stanzas: { type: 'stanzas', byteLengths: [300, 70_000, 0], compressed: Buffer.from('brotli') },
  signedIndex: { type: 'signedIndex', byteLength: 151_000, compressed: Buffer.from('brotli') },
  release: {
    type: 'release',
    number: 258,
    publishedAtMs: 1_700_000_000_000,
    releasedAtMs: 1_699_999_999_000,
    validUntilMs: 1_700_600_000_000,
    previous: { block: 12, hash: Buffer.alloc(32, 2) },
    suite: 'stable/updates',
    signedIndexBlock: 14,
    indexes: [
      {
        path: 'main/binary-amd64/Packages',
        byteLength: 50_100_000,
        digest: Buffer.alloc(32, 3),
        script: [
          { op: 'keep', count: 1 },
          { op: 'drop', count: 100 },
          { op: 'insert', count: 3, block: 13, first: 0 },
          { op: 'insert', count: 1, block: 7, first: 16_383 },
          { op: 'keep', count: 63_000 },
        ],
      },
      { path: 'contrib/binary-all/Packages', byteLength: 0, digest: Buffer.alloc(32, 4), script: [] },
    ],
    roots: [{ digest: Buffer.alloc(32, 5), piecesRoot: Buffer.alloc(32, 6) }],
    lateRoots: [{ digest: Buffer.alloc(32, 8), piecesRoot: Buffer.alloc(32, 9) }],
    index: { length: 4, treeHash: Buffer.alloc(32, 7) },
    headBefore: { length: 13, fork: 0, treeHash: Buffer.alloc(32, 10), signature: Buffer.alloc(68, 11) },
    chapterBlock: 9,
    noteBlock: 12,
    upstream: { number: 300, block: 70_400, hash: Buffer.alloc(32, 18), curationBlock: 13 },
    verdicts: [
      {
        rules: 1,
        architecture: 'amd64',
        packages: 63_440,
        broken: 17,
        brokenDigest: Buffer.alloc(32, 19),
        became: 300,
        names: [{ name: 'acmetool', version: '0.2.2-1', architecture: 'amd64' }],
        mended: 2,
      },
    ],
  },
  heartbeat: {
    type: 'heartbeat',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    validUntilMs: 1_700_000_600_000,
  },
  tag: { type: 'tag', atMs: 1_700_000_000_000, releaseBlock: 15, noteBlock: 0, name: 'stable-1', number: 258 },
  rotate: {
    type: 'rotate',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    successor: Buffer.alloc(32, 14),
  },
  roots: { type: 'roots', roots: [{ digest: Buffer.alloc(32, 5), piecesRoot: Buffer.alloc(32, 6) }] },
  checkpoint: {
    type: 'checkpoint',
    path: 'main/binary-amd64/Packages',
    byteLength: 50_100_000,
    digest: Buffer.alloc(32, 3),
    packedByteLength: 100_000,
    compressed: Buffer.from('brotli'),
  },
  chapter: {
    type: 'chapter',
    earlier: [300, 70_000],
    releases: [
      {
        block: 70_300,
        hash: Buffer.alloc(32, 2),
        publishedAtMs: 1_700_000_000_000,
        releasedAtMs: 1_699_999_999_000,
        validUntilMs: null,
        suite: 'stable/updates',
        signedIndexBlock: 70_299,
      },
    ],
    checkpointBlocks: [70_400, 70_401],
    rootsBlock: 70_402,
    tags: [{ name: 'stable-1', number: 2 }],
    noteBlock: 12,
    mirrors: ['http://deb.debian.org/debian'],
    gatherings: [70_310, 70_399],
    maintainersBlock: 70_311,
    metadataBlock: 70_320,
    withdrawn: [{ name: 'bash', version: '5.2-1', reason: 'loses files', atMs: 1_700_000_000_000 }],
    rollouts: [{ number: 2, share: 1_000, halted: 'does not boot' }],
  },
  gathering: {
    type: 'gathering',
    counts: [332, 41],
    packedByteLength: 2_000,
    compressed: Buffer.from('brotli'),
  },
  mirrors: {
    type: 'mirrors',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    urls: ['http://deb.debian.org/debian', 'https://[2001:db8::1]:8443/a%20b'],
  },
  curation: {
    type: 'curation',
    rule: 'newer',
    auto: 'clean',
    paths: ['main/binary-amd64/Packages', 'main/binary-arm64/Packages'],
    own: [
      { path: 0, block: 12, ordinal: 0 },
      { path: 1, block: 12, ordinal: 1 },
    ],
    pinned: [{ path: 0, block: POSITION_STEP + 70_300, ordinal: 331 }],
    removed: ['telnet'],
    rules: [{ name: 'linux-image-amd64', rule: 'theirs' }],
  },
  withdraw: {
    type: 'withdraw',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    name: 'bash',
    version: '5.2-1',
    reason: 'loses files',
  },
  rollout: {
    type: 'rollout',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    number: 258,
    share: 1_250,
    halted: null,
  },
  maintainers: {
    type: 'maintainers',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    maintainers: [
      { key: Buffer.alloc(32, 15), name: 'Ada', lastChange: null },
      { key: Buffer.alloc(32, 16), name: 'Bo <bo@example.org>', lastChange: 300 },
    ],
  },
  metadata: {
    type: 'metadata',
    atMs: 1_700_000_000_000,
    releaseBlock: 15,
    noteBlock: 12,
    counts: [{ key: Buffer.alloc(32, 15), changes: 70_000 }],
    tips: [Buffer.alloc(32, 17)],
    digest: Buffer.alloc(32, 18),
    stateBlock: 11,
    upstreamBlock: POSITION_STEP + 70_320,
  },
  metadataState: { type: 'metadataState', byteLength: 1_000_000, compressed: Buffer.from('brotli') },
}

/** What an older version did not say. */
const NOTHING_SAID = { maintainersBlock: 0, metadataBlock: 0, withdrawn: [], rollouts: [] }
const LIFTED: Readonly<Record<string, object>> = {
  'genesis 1': { upstream: null },
  'release 1': { upstream: null, verdicts: null },
  'release 2': { verdicts: null },
  'chapter 1': { mirrors: [], gatherings: [], ...NOTHING_SAID },
  'chapter 2': NOTHING_SAID,
  'chapter 3': { rollouts: [] },
  'metadata 1': { upstreamBlock: 0 },
}

const TYPES = Object.keys(SAMPLES) as ChannelEvent['type'][]
const encoded = Object.fromEntries(TYPES.map((type) => [type, encodeEvent(SAMPLES[type])]))

test('events: every type → the golden bytes, to which nothing is changed', (t) => {
  t.deepEqual(differing('events', encoded), [])
  t.end()
})

test('events: golden bytes of every version there ever was → decode to the sample', (t) => {
  for (const [type, versions] of Object.entries(golden('events'))) {
    for (const [version, hex] of Object.entries(versions)) {
      const expected = { ...SAMPLES[type as ChannelEvent['type']], ...LIFTED[`${type} ${version}`] }
      t.deepEqual(decodeEvent(Buffer.from(hex, 'hex')), expected, `${type} ${version}`)
    }
  }
  t.end()
})

test('events: an unknown type → VERSION_UNSUPPORTED below 64, skipped from there on', (t) => {
  for (const number of [5, 7, 63])
    t.equal(
      refusalOf(() => decodeEvent(Buffer.of(number, 1, 0))),
      'VERSION_UNSUPPORTED',
    )
  for (const number of [64, 200, 255]) t.equal(decodeEvent(Buffer.of(number, 9, 1, 2, 3)), null)
  t.equal(
    refusalOf(() => expectEvent('release', decodeEvent(Buffer.of(64, 1)), 3)),
    'EVENT_INVALID',
    'nor is it a release',
  )
  t.end()
})

test('events: another version of a known type → VERSION_UNSUPPORTED', (t) => {
  for (const type of TYPES) {
    const newest = encoded[type]?.[1] as number
    for (const version of [0, newest + 1, 255]) {
      const block = Buffer.from(encoded[type] as Buffer)
      block[1] = version
      t.equal(
        refusalOf(() => decodeEvent(block)),
        'VERSION_UNSUPPORTED',
        `${type} ${version}`,
      )
    }
  }
  t.end()
})

test('events: a type where another is expected → EVENT_INVALID', (t) => {
  t.equal(
    refusalOf(() => expectEvent('genesis', SAMPLES.heartbeat, 0)),
    'EVENT_INVALID',
  )
  t.equal(expectEvent('heartbeat', SAMPLES.heartbeat, 0), SAMPLES.heartbeat)
  t.end()
})

test('events: any block of any known type → decodes to exactly these bytes, or EVENT_INVALID', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), fc.nat(), fc.uint8Array({ maxLength: 6 }), (type, at, octets) => {
      const block = Buffer.from(encoded[type] as Buffer)
      block.set(octets.subarray(0, block.byteLength - 2), 2 + (at % Math.max(1, block.byteLength - 2 - octets.length)))
      try {
        const event = decodeEvent(block)
        return event !== null && encodeEvent(event).equals(block)
      } catch (error) {
        return (error as { code?: string }).code === 'EVENT_INVALID'
      }
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 blocks')
  t.end()
})

test('events: too short, too long, a count of no stanza → EVENT_INVALID', (t) => {
  t.equal(
    refusalOf(() => decodeEvent(Buffer.alloc(0))),
    'EVENT_INVALID',
  )
  t.equal(
    refusalOf(() => decodeEvent(Buffer.of(2))),
    'EVENT_INVALID',
  )
  t.equal(
    refusalOf(() => decodeEvent(Buffer.alloc(EVENT_BYTES_MAX + 1, 64))),
    'EVENT_INVALID',
    'even one to skip',
  )
  const large = { ...SAMPLES.stanzas, compressed: Buffer.alloc(EVENT_BYTES_MAX - 4) }
  t.equal(
    refusalOf(() => encodeEvent(large)),
    'EVENT_INVALID',
  )
  const idle = { ...SAMPLES.release, indexes: [{ ...SAMPLES.release.indexes[0], script: [{ op: 'keep', count: 0 }] }] }
  t.equal(
    refusalOf(() => decodeEvent(encodeEvent(idle as never))),
    'EVENT_INVALID',
  )
  t.end()
})

test('events: a moment that no clock can show → EVENT_INVALID, not an exception where it is shown', (t) => {
  for (const field of ['publishedAtMs', 'releasedAtMs', 'validUntilMs']) {
    const late = { ...SAMPLES.release, [field]: TIME_MS_MAX + 1 }
    t.equal(
      refusalOf(() => encodeEvent(late)),
      'EVENT_INVALID',
      field,
    )
  }
  t.end()
})
