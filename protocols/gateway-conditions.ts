/**
 * Conditional requests: when a client's copy is still good, and when its partial copy may be continued.
 *
 * Pure. Source: RFC 9110 sections 8.8 and 13. A date counts only where it equals Last-Modified exactly, and only where
 * the caller says that no other version of the file can have the same second (8.8.2.2): two releases may be published
 * within one second, and a wrong 304 would leave apt with the list of one and the files of the other.
 */
import type { DigestHex } from '../schemas/units.ts'

export interface Validators {
  /** Quoted, strong; null where the digest is not known. */
  readonly etag: string | null
  /** Whole seconds since 1970; null where the time is not usable. */
  readonly modifiedAtS: number | null
}

/** A time in the future is left out: a recipient would have to replace it (RFC 9110 section 8.8.2.1). */
export function validatorsOf(digest: DigestHex | null, modifiedAtMs: number, nowMs: number): Validators {
  const isUsable = Number.isFinite(modifiedAtMs) && modifiedAtMs >= 0 && modifiedAtMs <= nowMs
  return {
    etag: digest === null ? null : `"${digest}"`,
    modifiedAtS: isUsable ? Math.floor(modifiedAtMs / 1000) : null,
  }
}

/** Last-Modified, or null. */
export function httpDate(validators: Validators): string | null {
  return validators.modifiedAtS === null ? null : new Date(validators.modifiedAtS * 1000).toUTCString()
}

/** The answer to If-None-Match; null where the request has none (then the date decides). Weak comparison. */
export function matchesEtag(ifNoneMatch: string | undefined, validators: Validators): boolean | null {
  if (ifNoneMatch === undefined) return null
  if (ifNoneMatch.trim() === '*') return true
  if (validators.etag === null) return false
  const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? []
  return tags.includes(validators.etag)
}

/** True where `date` (If-Modified-Since, If-Range) is exactly the file's Last-Modified. */
export function matchesDate(date: string | undefined, validators: Validators): boolean {
  if (date === undefined || validators.modifiedAtS === null) return false
  return Date.parse(date) === validators.modifiedAtS * 1000
}

/** Whether a Range header may be obeyed: If-Range needs a strong match (RFC 9110 section 13.1.5). */
export function mayContinue(ifRange: string | undefined, validators: Validators, isDateStrong: boolean): boolean {
  if (ifRange === undefined) return true
  const text = ifRange.trim()
  if (text.startsWith('"')) return text === validators.etag
  return isDateStrong && matchesDate(text, validators)
}
