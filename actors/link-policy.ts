/**
 * What this node gives and fetches at the moment: a function of its config, the clock, its link and the month's traffic.
 *
 * The most restrictive rule wins, and every rule that restricts something is named, so that a person can change it.
 * What the system does not say (LinkFacts) restricts nothing. Computed anew by actors/ports/sharing.ts.
 */
import { LINK_LOOK_MS_MAX } from '../schemas/limits.ts'
import type { NodeConfig, SettingName } from '../schemas/node-config.ts'
import type { HoursOfDay } from '../schemas/setting-kinds.ts'

/** To whom files are given; each includes the ones after it. */
export type ShareScope = 'all' | 'lan' | 'none'

/** What the system says of this machine; null: it does not say. */
export interface LinkFacts {
  readonly metered: boolean | null
  readonly onBattery: boolean | null
  readonly batteryPercent: number | null
}

export const NO_LINK_FACTS: LinkFacts = { metered: null, onBattery: null, batteryPercent: null }

/** Bytes sent and fetched beyond the local network in this calendar month. */
export interface MonthlyTraffic {
  readonly sentBytes: number
  readonly fetchedBytes: number
}

export interface PolicyInput {
  readonly config: NodeConfig
  readonly facts: LinkFacts
  readonly traffic: MonthlyTraffic
  readonly nowMs: number
  /** Time since local midnight. */
  readonly msOfDay: number
}

/** A rule that restricts something at the moment. */
export interface Restriction {
  readonly setting: SettingName
  /** In some words. */
  readonly because: string
  /** To whom it would let files be given. */
  readonly shareWith: ShareScope
  /** Whether it lets files be fetched. */
  readonly fetch: boolean
}

export interface LinkPolicy {
  readonly uploadBytesPerSecond: number | null
  readonly downloadBytesPerSecond: number | null
  readonly shareWith: ShareScope
  readonly fetch: boolean
  readonly reasons: readonly Restriction[]
  /** When it must be computed again, in Unix milliseconds, if nothing changes before. */
  readonly untilMs: number
}

/** The narrowest first. */
const SCOPES = ['none', 'lan'] as const
const MS_PER_MINUTE = 60_000
const MS_PER_DAY = 24 * 60 * MS_PER_MINUTE

export function linkPolicy(input: PolicyInput): LinkPolicy {
  const { config, nowMs, msOfDay } = input
  const reasons = [...ownRules(input), ...budgetRules(input), ...linkRules(input)]
  return {
    uploadBytesPerSecond: config['upload-cap'],
    downloadBytesPerSecond: config['download-cap'],
    shareWith: SCOPES.find((scope) => reasons.some(({ shareWith }) => shareWith === scope)) ?? 'all',
    fetch: reasons.every(({ fetch }) => fetch),
    reasons,
    untilMs: nowMs + Math.min(LINK_LOOK_MS_MAX, ...boundariesMs(config['share-hours'], msOfDay)),
  }
}

function* ownRules({ config, msOfDay }: PolicyInput): Iterable<Restriction> {
  const { share, fetch } = config
  if (share === 'lan-only') yield lanOnly('share', 'only the local network is to be served')
  if (share === 'off') yield { setting: 'share', because: 'nothing is to be given', shareWith: 'none', fetch: true }
  if (fetch === 'off') yield noFetch('fetch', 'nothing is to be fetched')
  const hours = config['share-hours']
  if (hours !== null && !isWithin(hours, msOfDay)) yield lanOnly('share-hours', 'it is not the time of day')
}

function* budgetRules({ config, traffic }: PolicyInput): Iterable<Restriction> {
  const isSpent = (budget: number | null, bytes: number): boolean => budget !== null && bytes >= budget
  if (isSpent(config['monthly-upload'], traffic.sentBytes)) yield lanOnly('monthly-upload', 'it is spent')
  if (isSpent(config['monthly-download'], traffic.fetchedBytes)) yield noFetch('monthly-download', 'it is spent')
}

function* linkRules({ config, facts }: PolicyInput): Iterable<Restriction> {
  if (facts.metered === true) yield* costRule('on-metered', config['on-metered'], 'the link is metered')
  const { onBattery, batteryPercent } = facts
  // A battery that does not say how full it is counts as one that is down.
  const isLow = onBattery === true && (batteryPercent ?? 0) <= config['on-battery-percent']
  const level = batteryPercent === null ? '' : ` at ${batteryPercent} %`
  if (isLow) yield* costRule('on-battery', config['on-battery'], `the machine runs on battery${level}`)
}

function* costRule(
  setting: 'on-metered' | 'on-battery',
  what: NodeConfig['on-metered'],
  because: string,
): Iterable<Restriction> {
  if (what === 'lan-only') yield lanOnly(setting, because)
  if (what === 'off') yield { setting, because, shareWith: 'none', fetch: true }
  if (what === 'pause') yield { setting, because, shareWith: 'none', fetch: false }
}

function lanOnly(setting: SettingName, because: string): Restriction {
  return { setting, because, shareWith: 'lan', fetch: true }
}

function noFetch(setting: SettingName, because: string): Restriction {
  return { setting, because, shareWith: 'all', fetch: false }
}

function isWithin({ fromMinute, toMinute }: HoursOfDay, msOfDay: number): boolean {
  const minute = msOfDay / MS_PER_MINUTE
  if (fromMinute < toMinute) return minute >= fromMinute && minute < toMinute
  return minute >= fromMinute || minute < toMinute
}

/** Time until the hours begin and end. A clock that is put forward or back in between is noticed within LINK_LOOK_MS_MAX. */
function boundariesMs(hours: HoursOfDay | null, msOfDay: number): number[] {
  if (hours === null) return []
  return [hours.fromMinute, hours.toMinute].map((minute) => {
    const leftMs = (minute * MS_PER_MINUTE - msOfDay + MS_PER_DAY) % MS_PER_DAY
    return leftMs === 0 ? MS_PER_DAY : leftMs
  })
}
