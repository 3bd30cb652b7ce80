/**
 * Bounded, canonical binary codecs over compact-encoding's state.
 *
 * compact-encoding supplies the integers; this file adds what bytes from a stranger need: a bound on every string, buffer
 * and array, one encoding per value (decode, then encode, gives the same bytes or the record is refused), and typed structs.
 * A decoder throws FreshetError EVENT_INVALID and nothing else.
 */
import c from 'compact-encoding'
import { FreshetError } from './errors.ts'
import { TIME_MS_MAX } from './limits.ts'

export interface CodecState {
  start: number
  end: number
  buffer: Uint8Array | null
}

export interface Codec<T> {
  preencode(state: CodecState, value: T): void
  encode(state: CodecState, value: T): void
  decode(state: CodecState): T
}

/** A codec of whatever type, for constraints. */
interface AnyCodec {
  preencode(state: CodecState, value: never): void
  encode(state: CodecState, value: never): void
  decode(state: CodecState): unknown
}

export type Infer<C> = C extends Codec<infer T> ? T : never

/** Unsigned integer up to 2^53-1, compact-encoding's variable length. */
export const uint: Codec<number> = {
  preencode: (state, value) => c.uint.preencode(state, value),
  encode: (state, value) => c.uint.encode(state, value),
  decode: (state) => {
    const value = c.uint.decode(state)
    if (!Number.isSafeInteger(value)) throw invalid('an integer exceeds 2^53-1')
    return value
  },
}

/** A moment in Unix milliseconds that every reader can print: a later one would throw where it is shown. */
export const timeMs: Codec<number> = {
  preencode(state, value) {
    atMost(value, TIME_MS_MAX, 'milliseconds')
    uint.preencode(state, value)
  },
  encode: (state, value) => uint.encode(state, value),
  decode(state) {
    const value = uint.decode(state)
    atMost(value, TIME_MS_MAX, 'milliseconds')
    return value
  },
}

/** Exactly `byteLength` bytes, without a length prefix. The decoded Buffer is a copy: it never pins a large block. */
function fixed(byteLength: number): Codec<Buffer> {
  return {
    preencode(state, value) {
      if (value.byteLength !== byteLength) throw invalid(`expected ${byteLength} bytes, got ${value.byteLength}`)
      state.end += byteLength
    },
    encode(state, value) {
      bytesOf(state).set(value, state.start)
      state.start += byteLength
    },
    decode: (state) => take(state, byteLength),
  }
}

export const fixed32 = fixed(32)
/** An Ed25519 signature. */
export const fixed64 = fixed(64)

/** At most `byteLengthMax` bytes behind their length. */
export function bytes(byteLengthMax: number): Codec<Buffer> {
  return {
    preencode(state, value) {
      atMost(value.byteLength, byteLengthMax, 'bytes')
      uint.preencode(state, value.byteLength)
      state.end += value.byteLength
    },
    encode(state, value) {
      uint.encode(state, value.byteLength)
      bytesOf(state).set(value, state.start)
      state.start += value.byteLength
    },
    decode(state) {
      const byteLength = uint.decode(state)
      atMost(byteLength, byteLengthMax, 'bytes')
      return take(state, byteLength)
    },
  }
}

/** UTF-8 of at most `byteLengthMax` bytes. Bytes that are not UTF-8 are refused: they would not encode back the same. */
export function text(byteLengthMax: number): Codec<string> {
  const inner = bytes(byteLengthMax)
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return {
    preencode: (state, value) => inner.preencode(state, Buffer.from(value)),
    encode: (state, value) => inner.encode(state, Buffer.from(value)),
    decode(state) {
      try {
        return utf8.decode(inner.decode(state))
      } catch (error) {
        throw error instanceof FreshetError ? error : invalid('a text is not UTF-8')
      }
    },
  }
}

/** At most `countMax` values of one kind. */
export function list<T>(item: Codec<T>, countMax: number): Codec<readonly T[]> {
  return {
    preencode(state, values) {
      atMost(values.length, countMax, 'items')
      uint.preencode(state, values.length)
      for (const value of values) item.preencode(state, value)
    },
    encode(state, values) {
      uint.encode(state, values.length)
      for (const value of values) item.encode(state, value)
    },
    decode(state) {
      const count = uint.decode(state)
      atMost(count, countMax, 'items')
      // Every item takes a byte or more, so a count beyond the rest of the record is a lie: refuse it before allocating.
      if (count > state.end - state.start) throw invalid(`${count} items do not fit in the record`)
      const values: T[] = []
      for (let i = 0; i < count; i++) values.push(item.decode(state))
      return values
    },
  }
}

/** One flag byte, then the value unless null. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    preencode(state, value) {
      uint.preencode(state, value === null ? 0 : 1)
      if (value !== null) inner.preencode(state, value)
    },
    encode(state, value) {
      uint.encode(state, value === null ? 0 : 1)
      if (value !== null) inner.encode(state, value)
    },
    decode(state) {
      const flag = uint.decode(state)
      if (flag > 1) throw invalid(`flag ${flag} is neither 0 nor 1`)
      return flag === 0 ? null : inner.decode(state)
    },
  }
}

/** One byte, 0 or 1. */
export const flag: Codec<boolean> = {
  preencode: (state, value) => uint.preencode(state, value ? 1 : 0),
  encode: (state, value) => uint.encode(state, value ? 1 : 0),
  decode(state) {
    const value = uint.decode(state)
    if (value > 1) throw invalid(`flag ${value} is neither 0 nor 1`)
    return value === 1
  },
}

/** One of `names`, written as its position. Append names only. */
export function oneOf<const Names extends readonly string[]>(names: Names): Codec<Names[number]> {
  return {
    preencode: (state, value) => uint.preencode(state, names.indexOf(value)),
    encode: (state, value) => uint.encode(state, names.indexOf(value)),
    decode(state) {
      const name = names[uint.decode(state)]
      if (name === undefined) throw invalid(`not one of ${names.join(', ')}`)
      return name
    },
  }
}

/** Fields one after the other, in the order of the declaration. A new field is a new version of the record. */
export function struct<Fields extends Record<string, AnyCodec>>(
  fields: Fields,
): Codec<{ readonly [Name in keyof Fields]: Infer<Fields[Name]> }> {
  type Value = { readonly [Name in keyof Fields]: Infer<Fields[Name]> }
  const entries = Object.entries(fields) as unknown as [keyof Fields & string, Codec<unknown>][]
  return {
    preencode(state, value) {
      for (const [name, codec] of entries) codec.preencode(state, value[name])
    },
    encode(state, value) {
      for (const [name, codec] of entries) codec.encode(state, value[name])
    },
    decode(state) {
      const value: Record<string, unknown> = {}
      for (const [name, codec] of entries) value[name] = codec.decode(state)
      return value as Value
    },
  }
}

/** A way in which a record was written before: what is read of it is lifted to what is written now. */
export interface FormerVersion {
  readonly version: number
  decode(bytes: Uint8Array): object
}

export function formerly<Old>(version: number, body: Codec<Old>, lift: (old: Old) => object): FormerVersion {
  return { version, decode: (bytes) => lift(decodeRecord(body, bytes)) }
}

/** As `bytes`, without a copy: whoever keeps them copies them, for they are part of what was received with them. */
export function passingBytes(byteLengthMax: number): Codec<Buffer> {
  return {
    ...bytes(byteLengthMax),
    decode(state) {
      const byteLength = uint.decode(state)
      atMost(byteLength, byteLengthMax, 'bytes')
      return view(state, byteLength)
    },
  }
}

export function encodeRecord<T>(codec: Codec<T>, value: T): Buffer {
  const state: CodecState = { start: 0, end: 0, buffer: null }
  codec.preencode(state, value)
  const buffer = Buffer.allocUnsafe(state.end)
  codec.encode({ start: 0, end: buffer.byteLength, buffer }, value)
  return buffer
}

/**
 * For what is kept: its bytes are hashed and signed.
 * @throws FreshetError EVENT_INVALID: truncated, trailing bytes, a bound broken, or not the canonical encoding
 * (two byte strings for one value would have two hashes).
 */
export function decodeRecord<T>(codec: Codec<T>, record: Uint8Array): T {
  const value = decodeMessage(codec, record)
  if (!encodeRecord(codec, value).equals(record)) throw invalid('the record is not in canonical form')
  return value
}

/**
 * For what is only said: nobody hashes it, and encoding it once more would cost as much as reading it.
 * @throws FreshetError EVENT_INVALID: truncated, trailing bytes, or a bound broken.
 */
export function decodeMessage<T>(codec: Codec<T>, record: Uint8Array): T {
  const state: CodecState = { start: 0, end: record.byteLength, buffer: record }
  let value: T
  try {
    value = codec.decode(state)
  } catch (error) {
    throw error instanceof FreshetError ? error : invalid('the record is truncated or malformed')
  }
  if (state.start !== state.end) throw invalid(`${state.end - state.start} bytes follow the record`)
  return value
}

function bytesOf(state: CodecState): Uint8Array {
  if (state.buffer === null) throw invalid('no buffer to encode into')
  return state.buffer
}

function take(state: CodecState, byteLength: number): Buffer {
  return Buffer.from(view(state, byteLength))
}

function view(state: CodecState, byteLength: number): Buffer {
  if (state.end - state.start < byteLength) throw invalid('the record is truncated')
  const { buffer, byteOffset } = bytesOf(state)
  const found = Buffer.from(buffer, byteOffset + state.start, byteLength)
  state.start += byteLength
  return found
}

function atMost(actual: number, max: number, what: string): void {
  if (actual > max) throw invalid(`${actual} ${what} exceed the bound of ${max}`)
}

export function invalid(message: string): FreshetError {
  return new FreshetError('EVENT_INVALID', message)
}
