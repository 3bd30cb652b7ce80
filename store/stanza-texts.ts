/** Texts of stanzas that runs name: each block of the log is fetched and unpacked once. */
import type { Run } from '../schemas/edit-script.ts'
import { decodeEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { runsByBlock } from '../schemas/run-list.ts'
import { eachOf } from './each-of.ts'
import type { ReleaseBlocks, ReleaseLog } from './release-log.ts'
import { packedStanzas, readStanzas, unpackStanzas } from './stanza-block.ts'
import type { StanzaBlock } from './stanza-block.ts'

/** A stanza, and where it stands in the log. */
export interface StanzaText {
  readonly block: number
  readonly ordinal: number
  readonly text: Buffer
}

/** Blocks being unpacked side by side: 16 of 256 KiB. */
const BLOCKS_AT_ONCE = 16
const NEVER = new AbortController().signal

/**
 * Ordered by block.
 * @param ahead blocks that the log is about to have.
 * @throws FreshetError NO_PEERS, EVENT_INVALID.
 */
export async function readStanzaTexts(
  log: ReleaseLog,
  runs: readonly Run[],
  ahead: Pick<ReleaseBlocks, 'base' | 'blocks'> | null = null,
): Promise<StanzaText[]> {
  const blocks = runsByBlock(runs)
  const read = new Map<number, StanzaBlock>()
  const composed = (block: number): Buffer | undefined => ahead?.blocks[block - ahead.base]
  await log.download([...blocks.keys()].filter((block) => composed(block) === undefined))
  await eachOf([...blocks.keys()], BLOCKS_AT_ONCE, NEVER, async (block) => {
    const fresh = composed(block)
    const stanzas =
      fresh === undefined ? readStanzas(log, block) : unpackStanzas(packedStanzas(decodeEvent(fresh), block))
    read.set(block, await stanzas)
  })
  return [...blocks].flatMap(([block, own]) => own.flatMap((run) => textsOf(read.get(block) as StanzaBlock, run)))
}

function textsOf({ text, offsets }: StanzaBlock, { block, first, count }: Run): StanzaText[] {
  if (first + count >= offsets.length) {
    throw new FreshetError('EVENT_INVALID', `block ${block} has fewer than ${first + count} stanzas`, { block })
  }
  return Array.from({ length: count }, (_, i) => {
    const ordinal = first + i
    return { block, ordinal, text: text.subarray(offsets[ordinal], offsets[ordinal + 1]) }
  })
}
