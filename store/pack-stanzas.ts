/** Stanzas into `stanzas` blocks: of at most STANZAS_BLOCK_BYTES_MAX, a larger stanza alone. Compression runs on the thread pool. */
import { encodeEvent } from '../schemas/events.ts'
import { STANZAS_BLOCK_BYTES_MAX, STANZAS_PER_BLOCK_MAX } from '../schemas/limits.ts'
import { pack } from './brotli.ts'

/** Encoders at work at once: each holds some megabytes, and must leave threads of the pool to file operations. */
const PACKERS = 2

/** What goes into one block each. */
export class StanzaGroups {
  readonly groups: Buffer[][] = []
  #byteLength = 0

  /** @returns number of the block that `text` goes into, and the ordinal that it has there. */
  add(text: Buffer): { readonly group: number; readonly ordinal: number } {
    const last = this.groups.at(-1)
    const full =
      last === undefined ||
      this.#byteLength + text.byteLength > STANZAS_BLOCK_BYTES_MAX ||
      last.length >= STANZAS_PER_BLOCK_MAX
    if (full) {
      this.groups.push([])
      this.#byteLength = 0
    }
    const group = this.groups.length - 1
    const ordinal = (this.groups[group] as Buffer[]).push(text) - 1
    this.#byteLength += text.byteLength
    return { group, ordinal }
  }

  async pack(): Promise<Buffer[]> {
    const packed: Buffer[] = []
    const rest = this.groups.entries()
    const packSome = async (): Promise<void> => {
      for (const [i, texts] of rest) packed[i] = await packGroup(texts)
    }
    await Promise.all(Array.from({ length: PACKERS }, packSome))
    return packed
  }
}

async function packGroup(texts: readonly Buffer[]): Promise<Buffer> {
  const compressed = await pack(Buffer.concat(texts))
  return encodeEvent({ type: 'stanzas', byteLengths: texts.map(({ byteLength }) => byteLength), compressed })
}
