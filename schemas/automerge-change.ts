/**
 * One Automerge change as Freshet's metadata uses it: sets and deletes of texts in the root map, and nothing else.
 *
 * Read here completely, from bytes, before any of it reaches the WebAssembly of Automerge. That one does not verify the
 * checksum of a change, unrolls whatever its runs claim, and builds a document that cannot be loaded again from a change that
 * names values which are not there. What this reader lets pass is bounded: bytes, operations, names, texts.
 * Source: the binary format of Automerge (automerge.org/automerge-binary-format-spec), version 3.5.0.
 */
import { createHash } from 'node:crypto'
import { ByteReader, readDeltas, readRuns, utf8 } from './automerge-columns.ts'
import { encodeChange } from './automerge-encode.ts'
import { CHANGE_CHUNK, CHECKSUM_BYTES, COLUMN, DELETE, MAGIC, OVER, SET, TEXT_VALUE } from './automerge-format.ts'
import { invalid } from './codec.ts'
import { CHANGE_BYTES_MAX, CHANGE_DEPS_MAX, CHANGE_MESSAGE_BYTES_MAX, CHANGE_OPS_MAX } from './limits.ts'
import { METADATA_PATH_BYTES_MAX, METADATA_VALUE_BYTES_MAX, TIME_MS_MAX } from './limits.ts'
import { digestHex, keyHex } from './units.ts'
import type { DigestHex, KeyHex } from './units.ts'

/** Name of one operation in the whole document: its actor, and a counter that grows along every path of changes. */
export interface OpId {
  readonly counter: number
  readonly actor: KeyHex
}

/** Gives a register a value, or takes its values away (null). `over`: the values that its author saw there. */
export interface RegisterOp {
  readonly path: string
  readonly value: string | null
  readonly over: readonly OpId[]
}

export interface AutomergeChange {
  readonly hash: DigestHex
  readonly actor: KeyHex
  /** Of this actor, from 1. */
  readonly seq: number
  /** Counter of the first operation; the others follow it. */
  readonly startOp: number
  readonly timeMs: number
  readonly message: string | null
  /** Hashes of the changes that its author knew of last. */
  readonly deps: readonly DigestHex[]
  readonly ops: readonly RegisterOp[]
}

const COLUMNS: ReadonlySet<number> = new Set([...Object.values(COLUMN), ...Object.values(OVER)])

/** @throws FreshetError EVENT_INVALID, and nothing else. */
export function decodeChange(bytes: Uint8Array): AutomergeChange {
  if (bytes.byteLength > CHANGE_BYTES_MAX) throw invalid(`a change of ${bytes.byteLength} bytes`)
  const chunk = readChunk(bytes)
  const reader = new ByteReader(chunk.body)
  const deps = readDeps(reader)
  const actor = readActor(reader)
  const [seq, startOp, seconds] = [reader.uint(), reader.uint(), reader.int()]
  if (seq < 1 || startOp < 1) throw invalid('changes and operations are counted from 1')
  if (seconds < 0 || seconds > TIME_MS_MAX / 1000) throw invalid('a change of no time that can be')
  const message = reader.text(CHANGE_MESSAGE_BYTES_MAX)
  const actors = [actor, ...readActors(reader)]
  const change = {
    hash: chunk.hash,
    actor,
    seq,
    startOp,
    timeMs: seconds * 1000,
    message: message === '' ? null : message,
    deps,
    ops: readOps(readColumns(reader), actors),
  }
  if (!encodeChange(change).equals(bytes)) throw invalid('the change is not written as Automerge writes it')
  return change
}

function readChunk(bytes: Uint8Array): { hash: DigestHex; body: Buffer } {
  const reader = new ByteReader(bytes)
  if (!reader.take(MAGIC.byteLength).equals(MAGIC)) throw invalid('it is not an Automerge change')
  const checksum = reader.take(CHECKSUM_BYTES)
  const start = MAGIC.byteLength + CHECKSUM_BYTES
  if (reader.take(1)[0] !== CHANGE_CHUNK) throw invalid('it is not a plain Automerge change')
  const body = reader.take(reader.uint())
  if (!reader.isDone) throw invalid('bytes follow the change')
  const hash = createHash('sha256').update(bytes.subarray(start)).digest()
  if (!hash.subarray(0, CHECKSUM_BYTES).equals(checksum)) throw invalid('the checksum of the change is wrong')
  return { hash: digestHex(hash), body }
}

function readDeps(reader: ByteReader): DigestHex[] {
  const count = reader.uint()
  if (count > CHANGE_DEPS_MAX) throw invalid(`a change that follows ${count} others`)
  const deps = Array.from({ length: count }, () => digestHex(reader.take(32)))
  if (new Set(deps).size !== count) throw invalid('a change follows another one twice')
  return deps
}

function readActor(reader: ByteReader): KeyHex {
  if (reader.uint() !== 32) throw invalid('an actor is not the key of a log')
  return keyHex(reader.take(32))
}

function readActors(reader: ByteReader): KeyHex[] {
  const count = reader.uint()
  if (count > CHANGE_DEPS_MAX) throw invalid(`a change that names ${count} others`)
  return Array.from({ length: count }, () => readActor(reader))
}

function readColumns(reader: ByteReader): Map<number, Buffer> {
  const count = reader.uint()
  if (count > COLUMNS.size) throw invalid(`a change of ${count} columns`)
  const heads = Array.from({ length: count }, () => [reader.uint(), reader.uint()] as const)
  for (const [i, [spec]] of heads.entries()) {
    if (!COLUMNS.has(spec)) throw invalid(`a change with a column ${spec}`)
    if (i > 0 && spec <= (heads[i - 1] as readonly [number, number])[0]) throw invalid('columns are out of order')
  }
  const columns = new Map(heads.map(([spec, byteLength]) => [spec, reader.take(byteLength)]))
  if (!reader.isDone) throw invalid('bytes follow the columns of the change')
  return columns
}

function readOps(columns: ReadonlyMap<number, Buffer>, actors: readonly KeyHex[]): RegisterOp[] {
  const column = (spec: number): Buffer => columns.get(spec) ?? Buffer.alloc(0)
  const count = (reader: ByteReader): number => reader.uint()
  const actions = readRuns(column(COLUMN.action), CHANGE_OPS_MAX, count)
  const rows = actions.length
  const keys = readRuns(column(COLUMN.key), rows, (reader) => reader.text(METADATA_PATH_BYTES_MAX))
  const metas = readRuns(column(COLUMN.valueMeta), rows, count)
  const overCounts = readRuns(column(COLUMN.overCount), rows, count)
  if (rows === 0) throw invalid('a change without operations')
  if ([keys, metas, overCounts].some(({ length }) => length !== rows)) throw invalid('columns of different lengths')
  requireNoInserts(column(COLUMN.insert), rows)
  const values = new ByteReader(column(COLUMN.value))
  const over = readOver(column(OVER.actor), column(OVER.counter), actors)
  let overAt = 0
  const ops = actions.map((action, i): RegisterOp => {
    const path = keys[i]
    if (path === null || path === undefined) throw invalid('an operation on something else than the root map')
    const value = readValue(action, metas[i] ?? 0, values)
    const until = overAt + (overCounts[i] ?? 0)
    if (until > over.length) throw invalid('an operation over more values than are listed')
    const op = { path, value, over: over.slice(overAt, until) }
    if (op.over.some((id, at) => at > 0 && !isAfter(id, op.over[at - 1] as OpId))) throw invalid('values out of order')
    overAt = until
    return op
  })
  if (!values.isDone || overAt !== over.length) throw invalid('values are left over')
  return ops
}

function readValue(action: number | null, meta: number, values: ByteReader): string | null {
  const [kind, byteLength] = [meta % 16, Math.floor(meta / 16)]
  if (action === DELETE && meta === 0) return null
  if (action !== SET || kind !== TEXT_VALUE) throw invalid('an operation that neither sets a text nor deletes')
  if (byteLength > METADATA_VALUE_BYTES_MAX) throw invalid(`a value of ${byteLength} bytes`)
  return utf8(values.take(byteLength))
}

function readOver(actorColumn: Buffer, counterColumn: Buffer, actors: readonly KeyHex[]): OpId[] {
  const indexes = readRuns(actorColumn, CHANGE_OPS_MAX, (reader) => reader.uint())
  const counters = readDeltas(counterColumn, CHANGE_OPS_MAX)
  if (indexes.length !== counters.length) throw invalid('columns of different lengths')
  return indexes.map((index, i) => {
    const actor = index === null ? undefined : actors[index]
    if (actor === undefined) throw invalid('an operation over a value of nobody')
    return { counter: counters[i] as number, actor }
  })
}

function isAfter(a: OpId, b: OpId): boolean {
  return a.counter > b.counter || (a.counter === b.counter && a.actor > b.actor)
}

/** One run of `false`, as long as there are rows. */
function requireNoInserts(column: Buffer, rows: number): void {
  const reader = new ByteReader(column)
  if (reader.uint() !== rows || !reader.isDone) throw invalid('an operation on a list')
}
