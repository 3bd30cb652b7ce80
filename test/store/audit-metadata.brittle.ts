/** Metadata and withdrawals in an audit: what an honest publisher said holds over chapters, and each lie about it is named. */
import test, { type Assert } from 'brittle'
import { encodeEvent } from '../../schemas/events.ts'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import type { Maintainers, Metadata } from '../../schemas/metadata-events.ts'
import type { Maintainer, MetadataState } from '../../schemas/metadata-fold.ts'
import { encodeState, stateDigest } from '../../schemas/metadata-state.ts'
import { pack } from '../../store/brotli.ts'
import { foldFixed, readFixed } from '../../store/fixed-metadata.ts'
import { History } from '../../store/history.ts'
import { MaintainerLog } from '../../store/maintainer-log.ts'
import { MetadataDraft } from '../../store/metadata-draft.ts'
import { auditOf, failuresOf } from '../helpers/audit.ts'
import { MAIN, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 180_000 }
const AT_MS = 1_700_000_000_000

/** A channel with one release, whose one maintainer is named. */
class CuratedChannel {
  readonly channel: TestChannel
  readonly log: MaintainerLog
  readonly #draft: MetadataDraft
  #releases = 0
  #stateBlock = 0

  private constructor(channel: TestChannel, log: MaintainerLog, draft: MetadataDraft) {
    this.channel = channel
    this.log = log
    this.#draft = draft
  }

  static async create(t: Assert): Promise<CuratedChannel> {
    const channel = await TestChannel.create(t)
    const log = await MaintainerLog.openOwn(channel.store, channel.log.key)
    await log.begin(channel.log.key, 'Ada', AT_MS)
    const maintainer = { key: log.key, name: 'Ada', lastChange: null }
    const curated = new CuratedChannel(channel, log, await MetadataDraft.create(log.key, [maintainer]))
    await curated.release()
    await curated.name({ key: Buffer.from(log.key, 'hex'), name: 'Ada', lastChange: null })
    return curated
  }

  async release(): Promise<void> {
    await this.channel.publish({ [MAIN]: stanza('aa', String(++this.#releases)) })
  }

  async name(...maintainers: Maintainers['maintainers']): Promise<void> {
    const { log } = this.channel
    await log.appendNote(log.length, { type: 'maintainers', atMs: AT_MS, ...(await log.newest()), maintainers })
  }

  async withdraw(version: string): Promise<void> {
    const { log } = this.channel
    const said = { name: 'aa', version, reason: 'loses files' }
    await log.appendNote(log.length, { type: 'withdraw', atMs: AT_MS, ...(await log.newest()), ...said })
  }

  async write(value: string): Promise<void> {
    const made = this.#draft.edit([{ path: 'package/bash/pin', value }], null, AT_MS)
    if (made !== null) await this.log.append(made.change.seq, made.bytes, made.follows)
  }

  get state(): MetadataState {
    return this.#draft.fold.state
  }

  /** Fixes what was written; `lie` says otherwise. @param state stands before the note. */
  async fix(lie: Partial<Metadata> = {}, state: MetadataState | null = null): Promise<void> {
    const { log } = this.channel
    const encoded = encodeState(this.state)
    const written = state === null ? null : encodeState(state)
    const before =
      written === null
        ? []
        : [encodeEvent({ type: 'metadataState', byteLength: written.byteLength, compressed: await pack(written) })]
    if (written !== null) this.#stateBlock = log.length
    const note = {
      counts: this.state.heads.map(({ key, seq }) => ({ key: Buffer.from(key, 'hex'), changes: seq })),
      tips: this.state.tips.map((tip) => Buffer.from(tip, 'hex')),
      digest: Buffer.from(stateDigest(encoded), 'hex'),
      stateBlock: this.#stateBlock,
      upstreamBlock: 0,
      ...lie,
    }
    await log.appendNote(log.length, { type: 'metadata', atMs: AT_MS, ...(await log.newest()), ...note }, before)
  }

  async failures(t: Assert): Promise<string[]> {
    return failuresOf(await auditOf(t, this.channel, { maintainerLog: async () => this.log }))
  }
}

test(
  'audit: metadata that is fixed again and again, over a chapter → holds, and every release has its own',
  LONG,
  async (t) => {
    const curated = await CuratedChannel.create(t)
    const { log } = curated.channel
    await curated.write('1')
    await curated.fix({}, curated.state)
    await curated.release()
    await curated.withdraw('1')
    await curated.write('2')
    await curated.fix()
    for (let number = 3; number <= CHAPTER_RELEASES + 2; number++) await curated.release()
    await curated.write('3')
    await curated.fix({}, curated.state)
    await curated.release()
    t.alike(await curated.failures(t), [])

    const history = new History(log)
    await history.advance()
    const pinAt = async (number: number | null): Promise<string | null> => {
      const fixed = await readFixed(log, await history.metadataBlocks(number), {})
      const fold = await foldFixed(log, fixed, async () => curated.log, {})
      return fold.state.registers.get('package/bash/pin')?.[0]?.value ?? null
    }
    const [none, first, second, beyond, third] = await Promise.all(
      [1, 2, 3, CHAPTER_RELEASES + 2, CHAPTER_RELEASES + 3].map(pinAt),
    )
    t.alike([none, first, second, beyond, third], [null, '1', '2', '2', '3'])
    t.is(await pinAt(null), '3')
    t.alike([...(await history.withdrawn()).keys()], ['aa=1'], 'as the chapter repeats it')
  },
)

test('audit: a publisher who lies about the metadata → named where it stands; readers refuse it', LONG, async (t) => {
  const stranger = { key: Buffer.alloc(32, 3), name: 'Eve', lastChange: null }
  const cases: Record<string, { lie: (curated: CuratedChannel) => Promise<void>; code: string }> = {
    'another digest': { lie: (curated) => curated.fix({ digest: Buffer.alloc(32) }), code: 'METADATA_WRONG' },
    'other tips': { lie: (curated) => curated.fix({ tips: [Buffer.alloc(32)] }), code: 'METADATA_WRONG' },
    'a state with something else in it': {
      lie: (curated) => curated.fix({}, { ...curated.state, registers: new Map() }),
      code: 'METADATA_WRONG',
    },
    'changes of somebody who is no maintainer': {
      lie: (curated) => curated.fix({ counts: [{ key: stranger.key, changes: 0 }] }),
      code: 'NOTE_WRONG',
    },
    'a maintainer who disappears': { lie: (curated) => curated.name(stranger), code: 'NOTE_WRONG' },
    'a maintainer who is listed twice': { lie: (curated) => curated.name(stranger, stranger), code: 'NOTE_WRONG' },
    'a version that is withdrawn twice': {
      lie: async (curated) => {
        await curated.withdraw('1')
        await curated.withdraw('1')
      },
      code: 'NOTE_WRONG',
    },
    'fixed changes that are taken back': {
      lie: async (curated) => {
        await curated.fix()
        await curated.name({ key: Buffer.from(curated.log.key, 'hex'), name: 'Ada', lastChange: 0 })
      },
      code: 'NOTE_WRONG',
    },
  }
  for (const [name, { lie, code }] of Object.entries(cases)) {
    const curated = await CuratedChannel.create(t)
    await curated.write('1')
    await lie(curated)
    const failures = await curated.failures(t)
    t.ok(
      failures.some((failure) => failure.startsWith(code)),
      `${name}: ${failures.join('; ')}`,
    )
    if (code !== 'METADATA_WRONG') continue
    const history = new History(curated.channel.log)
    const blocks = await history.metadataBlocks()
    const fixed = await readFixed(curated.channel.log, blocks, {})
    const fold = foldFixed(curated.channel.log, fixed, async () => curated.log, {})
    t.is(await codeOf(fold), 'METADATA_MISMATCH', name)
  }
})

test('audit: a state that no metadata follows → ORDER_WRONG', async (t) => {
  const curated = await CuratedChannel.create(t)
  const { log } = curated.channel
  const tag = { type: 'tag', atMs: AT_MS, ...(await log.newest()), name: 'one', number: 1 } as const
  await log.appendNote(log.length, tag, [
    encodeEvent({ type: 'metadataState', byteLength: 1, compressed: Buffer.of(0) }),
  ])
  t.alike(await curated.failures(t), [`ORDER_WRONG block=${log.length - 2}`])
})

test('metadata: two maintainers with one key in the log → EVENT_INVALID for every reader', async (t) => {
  const curated = await CuratedChannel.create(t)
  const twice: Maintainer = { key: curated.log.key, name: 'Ada', lastChange: null }
  const listed = { ...twice, key: Buffer.from(twice.key, 'hex') }
  await curated.name(listed, { ...listed, name: 'Bo' })
  const blocks = await new History(curated.channel.log).metadataBlocks()
  t.is(await codeOf(readFixed(curated.channel.log, blocks, {})), 'EVENT_INVALID')
})
