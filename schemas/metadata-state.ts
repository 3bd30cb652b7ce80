/**
 * The current state of a metadata document as bytes, so that nobody who joins needs its whole history.
 *
 * Written by the publisher into the release log (event `metadataState`), and by everybody to compare: its SHA-256 stands in
 * each `metadata` note. One form only: maintainers by key, registers by path, values as they are shown.
 */
import { createHash } from 'node:crypto'
import { decodeRecord, encodeRecord, fixed32, invalid, list, struct, text, timeMs, uint } from './codec.ts'
import * as limits from './limits.ts'
import type { MetadataState, RegisterValue } from './metadata-fold.ts'
import { digestHex, keyHex } from './units.ts'
import type { DigestHex, KeyHex } from './units.ts'

const head = struct({ key: fixed32, seq: uint, hash: fixed32, lastOp: uint })
const value = struct({
  /** Place of its author in `heads`. */
  author: uint,
  seq: uint,
  counter: uint,
  timeMs,
  value: text(limits.METADATA_VALUE_BYTES_MAX),
})
const register = struct({
  path: text(limits.METADATA_PATH_BYTES_MAX),
  values: list(value, limits.METADATA_VALUES_MAX),
})
const record = struct({
  heads: list(head, limits.MAINTAINERS_MAX),
  tips: list(fixed32, limits.MAINTAINERS_MAX),
  registers: list(register, limits.METADATA_REGISTERS_MAX),
})

export function encodeState({ heads, tips, registers }: MetadataState): Buffer {
  const authors = new Map(heads.map(({ key }, i) => [key, i]))
  return encodeRecord(record, {
    heads: heads.map(({ key, seq, hash, lastOp }) => ({ key: bytesOf(key), seq, hash: bytesOf(hash), lastOp })),
    tips: tips.map(bytesOf),
    registers: [...registers]
      .map(([path, values]) => ({
        path,
        values: values.map(({ actor, ...rest }) => ({ ...rest, author: authors.get(actor) as number })),
      }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  })
}

/** @throws FreshetError EVENT_INVALID. */
export function decodeState(bytes: Uint8Array): MetadataState {
  const decoded = decodeRecord(record, bytes)
  const heads = decoded.heads.map(({ key, seq, hash, lastOp }) => ({
    key: keyHex(key),
    seq,
    hash: digestHex(hash),
    lastOp,
  }))
  if (!isRising(heads.map(({ key }) => key))) throw invalid('maintainers of a state are out of order')
  if (!isRising(decoded.registers.map(({ path }) => path))) throw invalid('registers of a state are out of order')
  const registers = decoded.registers.map(({ path, values }): [string, RegisterValue[]] => {
    if (values.length === 0) throw invalid('a register of a state is empty')
    return [path, values.map(({ author, ...rest }) => ({ ...rest, actor: keyOf(heads, author) }))]
  })
  return { heads, tips: decoded.tips.map((tip) => digestHex(tip)), registers: new Map(registers) }
}

export function stateDigest(encoded: Buffer): DigestHex {
  return digestHex(createHash('sha256').update(encoded).digest())
}

function keyOf(heads: readonly { readonly key: KeyHex }[], author: number): KeyHex {
  const found = heads[author]
  if (found === undefined) throw invalid('a value of a state has no author')
  return found.key
}

function isRising(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || text > (texts[i - 1] as string))
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}
