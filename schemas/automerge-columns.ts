/**
 * Columns of an Automerge change, read within bounds: a run length is believed only as far as the rows that were declared.
 *
 * A column of 20 bytes can stand for a billion rows, so nothing is unrolled beyond `rowsMax`.
 * Source: the binary format of Automerge (automerge.org/automerge-binary-format-spec), version 3.5.0.
 */
import { invalid } from './codec.ts'

/** Reads variable-length integers and byte strings; never beyond its end. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.byteLength
  }

  take(byteLength: number): Buffer {
    if (byteLength > this.#bytes.byteLength - this.#at) throw invalid('the change is cut short')
    const taken = Buffer.from(this.#bytes.subarray(this.#at, this.#at + byteLength))
    this.#at += byteLength
    return taken
  }

  /** Unsigned LEB128. */
  uint(): number {
    return this.#leb().value
  }

  /** Signed LEB128. */
  int(): number {
    const { value, bits, last } = this.#leb()
    return (last & 0x40) === 0 ? value : value - 2 ** bits
  }

  text(byteLengthMax: number): string {
    const byteLength = this.uint()
    if (byteLength > byteLengthMax) throw invalid(`a text of ${byteLength} bytes exceeds ${byteLengthMax}`)
    return utf8(this.take(byteLength))
  }

  /** At most 53 bits. */
  #leb(): { value: number; bits: number; last: number } {
    let value = 0
    for (let bits = 0; bits < 56; bits += 7) {
      const byte = this.take(1)[0] as number
      value += (byte & 0x7f) * 2 ** bits
      if (byte >= 0x80) continue
      if (value > Number.MAX_SAFE_INTEGER) break
      return { value, bits: bits + 7, last: byte }
    }
    throw invalid('an integer exceeds 2^53-1')
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw invalid('a text is not UTF-8')
  }
}

/** Run-length encoding: a positive count repeats one value, a negative one lists values, zero stands for nulls. */
export function readRuns<T>(column: Uint8Array, rowsMax: number, read: (reader: ByteReader) => T): (T | null)[] {
  const reader = new ByteReader(column)
  const rows: (T | null)[] = []
  while (!reader.isDone) {
    const count = reader.int()
    const length = count === 0 ? reader.uint() : Math.abs(count)
    if (length === 0 || length > rowsMax - rows.length) throw invalid(`a column of more than ${rowsMax} rows`)
    const repeated = count > 0 ? read(reader) : null
    for (let i = 0; i < length; i++) rows.push(count < 0 ? read(reader) : repeated)
  }
  return rows
}

/** Differences from the row before, in runs. */
export function readDeltas(column: Uint8Array, rowsMax: number): number[] {
  let value = 0
  return readRuns(column, rowsMax, (reader) => reader.int()).map((step) => {
    if (step === null) throw invalid('a counter is missing')
    value += step
    if (!Number.isSafeInteger(value) || value < 0) throw invalid('a counter is out of bounds')
    return value
  })
}
