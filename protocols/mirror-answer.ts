/**
 * What the answer of a mirror to a request for a part of a file means. Pure; tests: test/protocols/mirror-answer.tape.ts.
 *
 * Right is 206 with exactly the range that was asked for, or 200 with the whole file, of which the beginning is then dropped.
 * Source: RFC 9110, 10.2.3 (Retry-After), 14.4 (Content-Range), 15.3.7 (206).
 */
import { MIRROR_SKIP_BYTES_MAX } from '../schemas/limits.ts'

/** A part of a file whose size is known. */
export interface FilePart {
  readonly first: number
  readonly lengthBytes: number
  readonly fileBytes: number
}

export interface MirrorAnswer {
  readonly status: number
  /** Null: there is none. */
  readonly header: (name: string) => string | null
}

/** Bytes of the body before those that were asked for, or why there are none. */
export type AnswerMeaning = { readonly skipBytes: number } | { readonly fault: string }

/** The Range header; null for the whole file, which every server understands. */
export function rangeOf({ first, lengthBytes, fileBytes }: FilePart): string | null {
  return first === 0 && lengthBytes === fileBytes ? null : `bytes=${first}-${first + lengthBytes - 1}`
}

/** `total` is null where the server does not say. @returns null for anything but one range of bytes. */
export function parseContentRange(text: string): { first: number; last: number; total: number | null } | null {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(?:(\d{1,15})|\*)$/i.exec(text.trim())
  if (match === null) return null
  const [, first, last, total] = match
  return { first: Number(first), last: Number(last), total: total === undefined ? null : Number(total) }
}

export function meaningOf({ status, header }: MirrorAnswer, part: FilePart): AnswerMeaning {
  const coding = header('content-encoding') ?? 'identity'
  if (status !== 200 && status !== 206) return { fault: `it answers ${status}` }
  if (coding !== 'identity') return { fault: `it answers in ${coding.slice(0, 40)}` }
  return status === 206 ? meaningOfPart(header, part) : meaningOfWhole(header, part)
}

function meaningOfPart(header: MirrorAnswer['header'], { first, lengthBytes, fileBytes }: FilePart): AnswerMeaning {
  const range = parseContentRange(header('content-range') ?? '')
  const last = first + lengthBytes - 1
  if (range === null) return { fault: 'it answers 206 without a range' }
  if (range.total !== null && range.total !== fileBytes) return { fault: otherSize(range.total, fileBytes) }
  if (range.first !== first || range.last !== last) {
    return { fault: `it sends bytes ${range.first} to ${range.last}, not ${first} to ${last}` }
  }
  return { skipBytes: 0 }
}

function meaningOfWhole(header: MirrorAnswer['header'], { first, fileBytes }: FilePart): AnswerMeaning {
  const stated = header('content-length')
  if (stated !== null && Number(stated) !== fileBytes) return { fault: otherSize(Number(stated), fileBytes) }
  if (first > MIRROR_SKIP_BYTES_MAX) return { fault: `it ignores ranges, and ${first} bytes would be read in vain` }
  return { skipBytes: first }
}

function otherSize(actual: number, expected: number): string {
  return `its file has ${actual} bytes, not ${expected}`
}

/** @returns milliseconds to wait as of `nowMs` (Unix), never less than 0, or null when `text` is neither seconds nor a date. */
export function retryAfterMs(text: string | null, nowMs: number): number | null {
  if (text === null) return null
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}
