/**
 * The one form in which Automerge writes a change: what else decodes to the same change is refused.
 *
 * Automerge keeps changes taken apart and writes them anew when it saves a document, naming them by the hash of what it wrote:
 * one that was written in any other way makes a document that it can never load again.
 * Source: the binary format of Automerge (automerge.org/automerge-binary-format-spec), version 3.5.0.
 */
import { createHash } from 'node:crypto'
import { CHANGE_CHUNK, CHECKSUM_BYTES, COLUMN, DELETE, MAGIC, OVER, SET, TEXT_VALUE } from './automerge-format.ts'
import type { AutomergeChange } from './automerge-change.ts'

export function encodeChange(change: Omit<AutomergeChange, 'hash'>): Buffer {
  const { actor, seq, startOp, timeMs, message, deps, ops } = change
  const others = [...new Set(ops.flatMap(({ over }) => over.map((id) => id.actor)))].filter((other) => other !== actor)
  const actors = [actor, ...others.toSorted()]
  const body = Buffer.concat([
    uint(deps.length),
    ...deps.map((dep) => Buffer.from(dep, 'hex')),
    keyBytes(actor),
    uint(seq),
    uint(startOp),
    int(timeMs / 1000),
    text(message ?? ''),
    uint(others.length),
    ...actors.slice(1).map(keyBytes),
    columnsOf(ops, actors),
  ])
  const hashed = Buffer.concat([Buffer.of(CHANGE_CHUNK), uint(body.byteLength), body])
  const checksum = createHash('sha256').update(hashed).digest().subarray(0, CHECKSUM_BYTES)
  return Buffer.concat([MAGIC, checksum, hashed])
}

function columnsOf(ops: AutomergeChange['ops'], actors: readonly string[]): Buffer {
  const values = ops.map(({ value }) => Buffer.from(value ?? ''))
  const over = ops.flatMap((op) => op.over)
  const counters = over.map(({ counter }, i) => counter - (over[i - 1]?.counter ?? 0))
  const columns: readonly (readonly [number, Buffer])[] = [
    [
      COLUMN.key,
      runs(
        ops.map(({ path }) => path),
        text,
      ),
    ],
    [COLUMN.insert, uint(ops.length)],
    [
      COLUMN.action,
      runs(
        ops.map(({ value }) => (value === null ? DELETE : SET)),
        uint,
      ),
    ],
    [
      COLUMN.valueMeta,
      runs(
        ops.map(({ value }, i) => (value === null ? 0 : metaOf(values[i] as Buffer))),
        uint,
      ),
    ],
    [COLUMN.value, Buffer.concat(values)],
    [
      COLUMN.overCount,
      runs(
        ops.map((op) => op.over.length),
        uint,
      ),
    ],
    [
      OVER.actor,
      runs(
        over.map(({ actor }) => actors.indexOf(actor)),
        uint,
      ),
    ],
    [OVER.counter, runs(counters, int)],
  ]
  const filled = columns.filter(([, bytes]) => bytes.byteLength > 0)
  return Buffer.concat([
    uint(filled.length),
    ...filled.flatMap(([spec, bytes]) => [uint(spec), uint(bytes.byteLength)]),
    ...filled.map(([, bytes]) => bytes),
  ])
}

function metaOf(value: Buffer): number {
  return value.byteLength * 16 + TEXT_VALUE
}

/** Two and more of the same as a count and one of them; what stands alone in lists. */
function runs<T>(values: readonly T[], write: (value: T) => Buffer): Buffer {
  const parts: Buffer[] = []
  let alone: T[] = []
  const endList = (): void => {
    if (alone.length > 0) parts.push(int(-alone.length), ...alone.map(write))
    alone = []
  }
  for (let i = 0; i < values.length;) {
    const value = values[i] as T
    let end = i + 1
    while (end < values.length && values[end] === value) end++
    if (end - i === 1) alone.push(value)
    else {
      endList()
      parts.push(int(end - i), write(value))
    }
    i = end
  }
  endList()
  return Buffer.concat(parts)
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint(bytes.byteLength), bytes])
}

function keyBytes(key: string): Buffer {
  return Buffer.concat([uint(key.length / 2), Buffer.from(key, 'hex')])
}

/** Unsigned LEB128. */
function uint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}

/** Signed LEB128. */
function int(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    const low = ((rest % 128) + 128) % 128
    if ((rest >= 0 && rest < 64) || (rest < 0 && rest >= -64)) return Buffer.from([...bytes, low])
    bytes.push(low + 128)
  }
}
