/** Copies of thinly spread stanzas: who reads them, what they save, and that nothing depends on them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import test, { type Assert } from 'brittle'
import { type ErrorCode, FreshetError } from '../../schemas/errors.ts'
import { type ChannelEvent, decodeEvent, encodeEvent } from '../../schemas/events.ts'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import { History } from '../../store/history.ts'
import { IndexFiles } from '../../store/index-files.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { publishLie } from '../helpers/audit.ts'
import { type Indexes, MAIN, scratchFolder, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 120_000 }
const PACKAGES = 60

/** Each release upgrades the next package in turn: after a chapter nearly every stanza stands in a block of its own. */
function indexOf(number: number): string {
  return Array.from({ length: PACKAGES }, (_, i) =>
    stanza(`p${String(i).padStart(2, '0')}`, String(number < i ? 0 : number - ((number - i) % PACKAGES))),
  ).join('')
}

async function published(t: Assert, releases: number): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  for (let number = 1; number <= releases; number++) await channel.publish({ [MAIN]: indexOf(number) })
  return channel
}

/** Blocks that are read from now on. */
function watchReads(channel: TestChannel): Set<number> {
  const read = new Set<number>()
  const block = channel.log.block.bind(channel.log)
  channel.log.block = (position, options) => {
    read.add(position)
    return block(position, options)
  }
  return read
}

/** As a node with no index file would rebuild it. */
async function rebuilt(t: Assert, channel: TestChannel, plan: SnapshotPlan, copies = true): Promise<string> {
  const files = await IndexFiles.open(join(await scratchFolder(t), 'indexes'))
  const [index] = plan.indexes as [SnapshotPlan['indexes'][number]]
  return readFile(await files.ensure(channel.log, index, () => {}, copies ? plan.gatherings : []), 'utf8')
}

test('gather stanzas: any release of a long history, cold → the same bytes from fewer blocks', LONG, async (t) => {
  const releases = 3 * CHAPTER_RELEASES + 3
  const channel = await published(t, releases)
  const reader = new History(channel.log)
  await reader.advance()
  const read = watchReads(channel)
  const reads = async (number: number, copies: boolean): Promise<number> => {
    const plan = await reader.plan(number)
    read.clear()
    t.is(await rebuilt(t, channel, plan, copies), indexOf(number), `release ${number}`)
    return read.size
  }
  for (const number of [CHAPTER_RELEASES, CHAPTER_RELEASES + 1, 2 * CHAPTER_RELEASES, releases]) {
    const [origins, least] = [await reads(number, false), await reads(number, true)]
    t.ok(origins >= PACKAGES - 4, `${origins} blocks where stanzas came`)
    t.ok(least <= 8, `${least} blocks with copies`)
  }
  t.alike((await reader.plan(CHAPTER_RELEASES - 1)).gatherings, [], 'nothing was gathered before the first chapter')
  t.is(await rebuilt(t, channel, await reader.plan(40)), indexOf(40))
})

test(
  'gather stanzas: a follower that is up to date → reads no copy, and nothing that describes them',
  LONG,
  async (t) => {
    const channel = await published(t, CHAPTER_RELEASES)
    const reader = new History(channel.log)
    await reader.advance()
    const ensure = async (number: number): Promise<string> => {
      const { indexes, gatherings } = await reader.plan(number)
      const [index] = indexes as [SnapshotPlan['indexes'][number]]
      return readFile(await channel.files.ensure(channel.log, index, () => {}, gatherings), 'utf8')
    }
    await ensure(CHAPTER_RELEASES)
    const read = watchReads(channel)
    const base = channel.log.length
    await channel.publish({ [MAIN]: indexOf(CHAPTER_RELEASES + 1) })
    read.clear()
    await reader.advance()
    t.is(await ensure(CHAPTER_RELEASES + 1), indexOf(CHAPTER_RELEASES + 1))
    const unread: string[] = []
    for (let block = base; block < channel.log.length; block++) {
      const { type } = decodeEvent((await channel.log.core.get(block, { wait: false })) as Buffer) as ChannelEvent
      if (!read.has(block)) unread.push(type)
    }
    t.alike(unread, ['stanzas', 'gathering', 'checkpoint', 'signedIndex'], 'nor the checkpoint of runs that it has')
  },
)

const LIES: Readonly<Record<string, (event: ChannelEvent, i: number) => ChannelEvent>> = {
  'with another text': (event, i) => {
    if (event.type !== 'stanzas' || i > 0) return event
    const byteLength = event.byteLengths.reduce((sum, each) => sum + each, 0)
    return { ...event, compressed: brotliCompressSync(Buffer.alloc(byteLength, 'x')) }
  },
  'that do not unpack': (event, i) =>
    event.type === 'stanzas' && i === 0 ? { ...event, compressed: Buffer.from('x') } : event,
  'that are fewer than described': (event) => (event.type === 'gathering' ? { ...event, counts: [1] } : event),
  'that are more than described': (event) =>
    event.type === 'gathering' ? { ...event, counts: event.counts.map((count) => count + 1) } : event,
  'in blocks before the log': (event) =>
    event.type === 'gathering' ? { ...event, counts: Array.from({ length: 9999 }, () => 1) } : event,
  'whose description does not unpack': (event) =>
    event.type === 'gathering' ? { ...event, compressed: Buffer.from('x') } : event,
  'that are another event': (event) => (event.type === 'chapter' ? { ...event, gatherings: [1] } : event),
}

for (const [what, lie] of Object.entries(LIES)) {
  test(`gather stanzas: copies ${what} → the file from where its stanzas came`, LONG, async (t) => {
    const channel = await published(t, CHAPTER_RELEASES)
    const indexes: Indexes = { [MAIN]: indexOf(CHAPTER_RELEASES + 1) }
    const bend = (block: Buffer, i: number): Buffer => encodeEvent(lie(decodeEvent(block) as ChannelEvent, i))
    await publishLie(channel, indexes, { blocks: (blocks) => blocks.map(bend) })
    await channel.history.advance()
    const plan = await channel.history.plan(CHAPTER_RELEASES + 1)
    t.is(plan.gatherings.length, 1)
    t.is(await rebuilt(t, channel, plan), indexOf(CHAPTER_RELEASES + 1))
  })
}

const OUTCOMES: readonly (readonly [ErrorCode, 'rebuilt' | 'thrown'])[] = [
  ['NO_PEERS', 'rebuilt'],
  ['EVENT_INVALID', 'rebuilt'],
  ['VERSION_UNSUPPORTED', 'rebuilt'],
  ['STORE_FAILED', 'thrown'],
  ['INTERRUPTED', 'thrown'],
  ['DISK_FULL', 'thrown'],
]

for (const failing of ['gathering', 'stanzas'] as const) {
  test(
    `gather stanzas: the ${failing} of the copies cannot be read → the file from where its stanzas came, unless the fault is here`,
    LONG,
    async (t) => {
      const channel = await published(t, CHAPTER_RELEASES + 1)
      const plan = await channel.history.plan(CHAPTER_RELEASES + 1)
      const [gathering] = plan.gatherings as [number]
      const gone = failing === 'gathering' ? gathering : gathering - 1
      const block = channel.log.block.bind(channel.log)
      for (const [code, outcome] of OUTCOMES) {
        let asked = 0
        channel.log.block = async (position, options) => {
          if (position !== gone) return block(position, options)
          asked++
          throw new FreshetError(code, 'a test')
        }
        const text = rebuilt(t, channel, plan)
        if (outcome === 'rebuilt') t.is(await text, indexOf(CHAPTER_RELEASES + 1), code)
        else t.is(await codeOf(text), code)
        t.is(asked, 1)
      }
    },
  )
}

test(
  'gather stanzas: origins are here and the copies are not → they are not asked for; the other way round they are',
  LONG,
  async (t) => {
    const channel = await published(t, CHAPTER_RELEASES + 1)
    const plan = await channel.history.plan(CHAPTER_RELEASES + 1)
    const [gathering] = plan.gatherings as [number]
    const read = watchReads(channel)
    let isMissing = (block: number): boolean => block === gathering
    channel.log.missing = async (blocks) => [...blocks].filter((block) => isMissing(block))
    t.is(await rebuilt(t, channel, plan), indexOf(CHAPTER_RELEASES + 1))
    t.absent(read.has(gathering))
    isMissing = (block) => block < gathering - 1
    read.clear()
    t.is(await rebuilt(t, channel, plan), indexOf(CHAPTER_RELEASES + 1))
    t.ok(read.has(gathering) && read.size <= 8, `${read.size} blocks`)
  },
)
