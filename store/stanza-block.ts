/** Reads a `stanzas` block of a log, and unpacks it on the thread pool, within its declared bounds. */
import { expectEvent } from '../schemas/events.ts'
import type { ChannelEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX } from '../schemas/limits.ts'
import { unpack } from './brotli.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

const PLAIN_BYTES_MAX = Math.max(STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX)

export interface StanzaBlock {
  readonly text: Buffer
  /** count + 1 offsets into `text`. */
  readonly offsets: Uint32Array
}

/** A block whose text nobody has needed yet; how long each stanza is stands beside it. */
export interface PackedStanzas {
  readonly block: number
  readonly offsets: Uint32Array
  readonly compressed: Buffer
}

/** @throws FreshetError EVENT_INVALID when the block is another event, or declares more than it may; NO_PEERS. */
export async function readPacked(log: ReleaseLog, block: number, options: ReadOptions = {}): Promise<PackedStanzas> {
  return packedStanzas(await log.event(block, options), block)
}

/** The same of an event that was read. @throws FreshetError EVENT_INVALID. */
export function packedStanzas(event: ChannelEvent | null, block: number): PackedStanzas {
  const { byteLengths, compressed } = expectEvent('stanzas', event, block)
  const total = byteLengths.reduce((sum, byteLength) => sum + byteLength, 0)
  if (total > PLAIN_BYTES_MAX) {
    throw new FreshetError('EVENT_INVALID', `block ${block} declares ${total} bytes of stanzas`, { block })
  }
  const offsets = new Uint32Array(byteLengths.length + 1)
  for (const [i, byteLength] of byteLengths.entries()) offsets[i + 1] = (offsets[i] as number) + byteLength
  return { block, offsets, compressed }
}

/** @throws FreshetError EVENT_INVALID when the block does not unpack to what it declares. */
export async function unpackStanzas({ block, offsets, compressed }: PackedStanzas): Promise<StanzaBlock> {
  return { offsets, text: await unpack({ block, byteLengthMax: PLAIN_BYTES_MAX }, compressed, offsets.at(-1) ?? 0) }
}

/** Both. @throws as they do. */
export async function readStanzas(log: ReleaseLog, block: number, options: ReadOptions = {}): Promise<StanzaBlock> {
  return unpackStanzas(await readPacked(log, block, options))
}
