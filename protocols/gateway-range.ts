/**
 * The Range header field: which bytes of a file a request wants.
 *
 * Pure. Source: RFC 9110 section 14. A specifier that is malformed, or in another unit than bytes, is ignored as the
 * RFC allows; so is one whose ranges add up to more than the file (section 14.2 warns of overlapping ranges).
 */
import { GATEWAY_RANGES_MAX } from '../schemas/limits.ts'

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

export type RangeChoice =
  | { readonly kind: 'whole' }
  | { readonly kind: 'parts'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' }

const WHOLE: RangeChoice = { kind: 'whole' }
const UNSATISFIABLE: RangeChoice = { kind: 'unsatisfiable' }

/** @param header undefined where the request has none. Ranges keep the order of the request. */
export function chooseRange(header: string | undefined, byteLength: number): RangeChoice {
  if (header === undefined) return WHOLE
  const match = /^bytes=(.*)$/i.exec(header.trim())
  if (match === null) return WHOLE
  const specifiers = (match[1] ?? '').split(',').map((part) => part.trim())
  const wanted = specifiers.filter((part) => part !== '') // RFC 9110 section 5.6.1: empty list elements are skipped
  if (wanted.length === 0) return WHOLE
  if (wanted.length > GATEWAY_RANGES_MAX) return UNSATISFIABLE
  const ranges: ByteRange[] = []
  let bytesWanted = 0
  for (const specifier of wanted) {
    const range = parseSpecifier(specifier, byteLength)
    if (range === 'malformed') return WHOLE
    if (range === null) continue
    ranges.push(range)
    bytesWanted += range.end - range.start
  }
  if (ranges.length === 0) return UNSATISFIABLE
  return ranges.length > 1 && bytesWanted > byteLength ? WHOLE : { kind: 'parts', ranges }
}

/** @returns null when the range lies outside the file. */
function parseSpecifier(specifier: string, byteLength: number): ByteRange | 'malformed' | null {
  const match = /^([0-9]*)-([0-9]*)$/.exec(specifier)
  if (match === null) return 'malformed'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'malformed'
    const suffix = Math.min(Number(last), byteLength)
    return suffix === 0 ? null : { start: byteLength - suffix, end: byteLength }
  }
  // Number() of many digits is inexact or infinite, which is still beyond any file.
  const start = Number(first)
  const lastByte = last === '' ? Infinity : Number(last)
  if (lastByte < start) return 'malformed'
  return start >= byteLength ? null : { start, end: Math.min(lastByte + 1, byteLength) }
}

/** `bytes 0-99/200` */
export function contentRange(range: ByteRange, byteLength: number): string {
  return `bytes ${range.start}-${range.end - 1}/${byteLength}`
}
