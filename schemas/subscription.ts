/**
 * What of a channel its follower wants to be told, and how often.
 *
 * Written to the journal (fact `subscription.chosen`). Words are those of Debian Policy: Section 2.4, Priority 2.5, urgency
 * 5.6.17. An empty list of a filter lets everything pass; several kinds of filters must all let a package pass.
 */
import { flag, list, nullable, oneOf, struct, text } from './codec.ts'
import type { Infer } from './codec.ts'
import { FreshetError } from './errors.ts'
import {
  ARCHITECTURE_BYTES_MAX,
  FILTER_ARCHITECTURES_MAX,
  FILTER_GLOBS_MAX,
  FILTER_SECTIONS_MAX,
  GLOB_BYTES_MAX,
  PATH_BYTES_MAX,
  SECTION_BYTES_MAX,
} from './limits.ts'
import { requireGlob } from './package-glob.ts'

/** now: each release by itself; hourly, daily: what changed since the last one, so long after the first of it; final: only the newest. */
export const INTERVALS = ['now', 'hourly', 'daily', 'final'] as const
/** From little to much. */
export const URGENCIES = ['low', 'medium', 'high', 'emergency', 'critical'] as const
/** `unknown`: the stanza does not say. */
export const PRIORITIES = ['unknown', 'required', 'important', 'standard', 'optional', 'extra'] as const

export type Interval = (typeof INTERVALS)[number]
export type Urgency = (typeof URGENCIES)[number]
export type Priority = (typeof PRIORITIES)[number]

export const subscription = struct({
  packages: list(text(GLOB_BYTES_MAX), FILTER_GLOBS_MAX),
  /** `admin`, or with its area: `contrib/admin`. */
  sections: list(text(SECTION_BYTES_MAX), FILTER_SECTIONS_MAX),
  priorities: list(oneOf(PRIORITIES), PRIORITIES.length),
  architectures: list(text(ARCHITECTURE_BYTES_MAX), FILTER_ARCHITECTURES_MAX),
  /** At least this; null: any. */
  urgency: nullable(oneOf(URGENCIES)),
  /** Only packages that this machine has. */
  installed: flag,
  /** The dpkg status file that says what it has; null: the system's. */
  statusFile: nullable(text(PATH_BYTES_MAX)),
  interval: oneOf(INTERVALS),
})
export type Subscription = Infer<typeof subscription>

export const EVERYTHING: Subscription = {
  packages: [],
  sections: [],
  priorities: [],
  architectures: [],
  urgency: null,
  installed: false,
  statusFile: null,
  interval: 'now',
}

const SECTION = /^[a-z0-9][a-z0-9.+-]*(\/[a-z0-9][a-z0-9.+-]*)?$/
const ARCHITECTURE = /^[a-z0-9][a-z0-9-]*$/

/** Parts of a subscription as they come from outside. A list that is there replaces the one before. */
export interface SubscriptionChange {
  readonly packages?: readonly string[] | undefined
  readonly sections?: readonly string[] | undefined
  readonly priorities?: readonly string[] | undefined
  readonly architectures?: readonly string[] | undefined
  /** Null: any. */
  readonly urgency?: string | null | undefined
  readonly installed?: boolean | undefined
  readonly statusFile?: string | null | undefined
  readonly interval?: string | undefined
}

/** @throws FreshetError FILTER_INVALID, GLOB_INVALID. */
export function changedSubscription(before: Subscription, change: SubscriptionChange): Subscription {
  const { packages, sections, priorities, architectures, urgency, installed, statusFile, interval } = change
  if (statusFile !== undefined && statusFile !== null && !/^\/[^\0]*$/.test(statusFile)) {
    throw invalid('the status file', statusFile, 'an absolute path')
  }
  const within = (what: string, values: readonly string[], countMax: number): readonly string[] => {
    if (values.length <= countMax) return [...new Set(values)]
    throw new FreshetError('FILTER_INVALID', `${values.length} ${what}, at most ${countMax}`)
  }
  return {
    packages: within('globs', packages ?? before.packages, FILTER_GLOBS_MAX).map(requireGlob),
    sections: within('sections', sections ?? before.sections, FILTER_SECTIONS_MAX).map((section) =>
      requireForm('section', section, SECTION, SECTION_BYTES_MAX),
    ),
    priorities: within('priorities', priorities ?? before.priorities, PRIORITIES.length).map((priority) =>
      requireWord('priority', priority, PRIORITIES),
    ),
    architectures: within('architectures', architectures ?? before.architectures, FILTER_ARCHITECTURES_MAX).map(
      (architecture) => requireForm('architecture', architecture, ARCHITECTURE, ARCHITECTURE_BYTES_MAX),
    ),
    urgency:
      urgency === undefined ? before.urgency : urgency === null ? null : requireWord('urgency', urgency, URGENCIES),
    installed: installed ?? before.installed,
    statusFile: statusFile === undefined ? before.statusFile : statusFile,
    interval: interval === undefined ? before.interval : requireWord('interval', interval, INTERVALS),
  }
}

function requireForm(what: string, value: string, form: RegExp, bytesMax: number): string {
  if (value.length <= bytesMax && form.test(value)) return value
  throw invalid(what, value, 'a name')
}

function requireWord<Word extends string>(what: string, value: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === value)
  if (found !== undefined) return found
  throw invalid(what, value, `one of ${words.join(', ')}`)
}

function invalid(what: string, value: string, expected: string): FreshetError {
  return new FreshetError('FILTER_INVALID', `${what} ${JSON.stringify(value.slice(0, 100))} is not ${expected}`)
}
