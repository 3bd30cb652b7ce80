/** The copies that come with a chapter: each must be the stanza that it stands for, and the chapter must name what there is. */
import { createHash } from 'node:crypto'
import { readGathering } from '../gather-stanzas.ts'
import type { Gathering } from '../gather-stanzas.ts'
import { linkError } from '../release-block.ts'
import type { ReleaseLog } from '../release-log.ts'
import { readStanzas } from '../stanza-block.ts'
import type { StanzaBlock } from '../stanza-block.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { ReleaseUnit } from './log-units.ts'

/** Which stanzas are worth a copy is the publisher's choice. Afterwards `known` is as the chapter leaves it. */
export async function checkGathering(
  log: ReleaseLog,
  { base, gatheringBlock: block, chapter }: ReleaseUnit,
  known: KnownHistory,
  findings: Findings,
): Promise<void> {
  if (chapter === null) return
  const named = chapter.chapter.gatherings
  const there = [...known.gatherings, ...(block === 0 ? [] : [block])]
  if (!isPartOf(named, there)) {
    const message = `the chapter in block ${chapter.block} names gatherings that are not there, or out of order`
    findings.fault('GATHERING_WRONG', message, { block: chapter.block })
  }
  known.gatherings = named
  if (block === 0) return
  try {
    const gathering = await readGathering(log, block)
    if (gathering.blocks.length !== block - base) {
      throw linkError(block, `it describes ${gathering.blocks.length} of ${block - base} blocks with copies`)
    }
    await compareCopies(log, gathering)
  } catch (error) {
    findings.refused('GATHERING_WRONG', { block }, error)
  }
}

function isPartOf(some: readonly number[], all: readonly number[]): boolean {
  let at = 0
  for (const item of all) if (some[at] === item) at++
  return at === some.length
}

/** Each original's block is unpacked once: a copy is remembered by its hash. */
async function compareCopies(log: ReleaseLog, gathering: Gathering): Promise<void> {
  const copies = copyDigests(log, gathering)
  const wanted = new Map<number, { ordinal: number; digest: string }[]>()
  for (const { block, first, count } of gathering.originals) {
    const stanzas = wanted.get(block) ?? []
    wanted.set(block, stanzas)
    for (let ordinal = first; ordinal < first + count; ordinal++) {
      const { value: digest } = await copies.next()
      if (digest === undefined) throw linkError(gathering.block, 'it has fewer copies than originals')
      stanzas.push({ ordinal, digest })
    }
  }
  if ((await copies.next()).done !== true) throw linkError(gathering.block, 'it has more copies than originals')
  for (const [block, stanzas] of wanted) {
    const original = await readStanzas(log, block)
    for (const { ordinal, digest } of stanzas) {
      if (digestOf(original, ordinal) === digest) continue
      throw linkError(gathering.block, `its copy of stanza ${ordinal} of block ${block} is another text`)
    }
  }
}

async function* copyDigests(log: ReleaseLog, { block: at, blocks }: Gathering): AsyncGenerator<string, undefined> {
  for (const { block, count } of blocks) {
    const stanzas = await readStanzas(log, block)
    if (stanzas.offsets.length - 1 !== count) {
      throw linkError(at, `block ${block} has ${stanzas.offsets.length - 1} copies, not ${count}`)
    }
    for (let ordinal = 0; ordinal < count; ordinal++) yield digestOf(stanzas, ordinal)
  }
}

/** Of a stanza that a block does not have: that of nothing, which no stanza has. */
function digestOf({ text, offsets }: StanzaBlock, ordinal: number): string {
  const [start = 0, end = 0] = [offsets[ordinal], offsets[ordinal + 1]]
  return createHash('sha256').update(text.subarray(start, end)).digest('base64')
}
