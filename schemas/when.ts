/** WHEN of CHANNEL@WHEN: a release number ('#12' or '12'), an ISO 8601 time (the release current then), or a tag. */
import { FreshetError } from './errors.ts'

export type When =
  | { readonly kind: 'newest' }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'time'; readonly atMs: number }
  | { readonly kind: 'tag'; readonly tag: string }

const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/
const COMPACT_TIME = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/
const TAG = /^[A-Za-z][A-Za-z0-9._+-]{0,63}$/

/** Whether this can name a release: never a number, never a time. */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** @throws FreshetError USAGE when `text` is none of the three forms. A time without zone is UTC. */
export function parseWhen(text: string | null): When {
  if (text === null) return { kind: 'newest' }
  const number = /^#?(\d{1,9})$/.exec(text)?.[1]
  if (number !== undefined) return { kind: 'number', number: Number(number) }
  const iso = COMPACT_TIME.test(text) ? text.replace(COMPACT_TIME, '$1-$2-$3T$4:$5:$6Z') : text // snapshot.debian.org's form
  if (ISO_TIME.test(iso)) {
    const atMs = Date.parse(/T[^Z+-]*$/.test(iso) ? `${iso}Z` : iso)
    if (!Number.isNaN(atMs) && isDay(iso.slice(0, 10))) return { kind: 'time', atMs }
  }
  if (isTag(text)) return { kind: 'tag', tag: text }
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is neither a release number, an ISO 8601 time nor a tag`)
}

/** JavaScript takes the 30th of February for the 1st of March. */
function isDay(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
}

/** CHANNEL[@WHEN] as people type it. */
export function splitChannelWhen(text: string): { channel: string; when: string | null } {
  const at = text.indexOf('@')
  return at < 0 ? { channel: text, when: null } : { channel: text.slice(0, at), when: text.slice(at + 1) }
}
