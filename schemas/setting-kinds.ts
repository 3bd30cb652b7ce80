/**
 * The kinds of values that a setting can have: how a person writes them, what is refused and why, how they are shown.
 *
 * Units are decimal as everywhere in this program (1 kB = 1000 bytes), unless written KiB, MiB, GiB, TiB. "Mb" is refused:
 * half of those who write it mean bits.
 */
import { BUDGET_BYTES_MAX, BUDGET_BYTES_MIN, PORT_MAX, RATE_BYTES_PER_S_MAX, RATE_BYTES_PER_S_MIN } from './limits.ts'

/** How one setting is read and shown. `parse` throws a SettingRefusal; what it returns is within the bounds. */
export interface Setting<Value> {
  /** What a number of it counts; null when it is not a number. */
  readonly unit: string | null
  readonly default: Value
  /** One sentence or two, for people. */
  readonly means: string
  /** What may be written, for people. */
  readonly accepts: string
  parse(text: string): Value
  /** As it could be written. */
  format(value: Value): string
}

/** Why a text is not a value of a setting; whoever knows file and line makes an error of it. */
export class SettingRefusal extends Error {}

interface Described<Value> {
  readonly default: Value
  readonly means: string
}

const OFF = 'off'
const MULTIPLES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
}
const QUANTITY = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]i?)?(b|bytes?|bit)?(\/s)?$/i
const BITS_PER_BYTE = 8

/** Bytes a second; null: no bound. */
export function rate(described: Described<number | null>): Setting<number | null> {
  const accepts = 'bytes a second such as 2M or 500K, bits such as 10Mbit/s, or off'
  return {
    ...described,
    unit: 'bytes/s',
    accepts,
    parse: (text) => (isOff(text) ? null : quantity(text, accepts, RATE_BYTES_PER_S_MIN, RATE_BYTES_PER_S_MAX, true)),
    format: (value) => (value === null ? OFF : shortest(value)),
  }
}

/** A number of bytes; null: no bound. */
export function budget(described: Described<number | null>): Setting<number | null> {
  const accepts = 'bytes such as 20G or 500M, or off'
  return {
    ...described,
    unit: 'bytes',
    accepts,
    parse: (text) => (isOff(text) ? null : quantity(text, accepts, BUDGET_BYTES_MIN, BUDGET_BYTES_MAX, false)),
    format: (value) => (value === null ? OFF : shortest(value)),
  }
}

/** One of some words. */
export function choice<const Word extends string>(
  words: readonly Word[],
  described: Described<NoInfer<Word>>,
): Setting<Word> {
  const accepts = words.join(', ')
  return {
    ...described,
    unit: null,
    accepts,
    parse(text) {
      const word = words.find((one) => one === text.toLowerCase())
      if (word === undefined) throw new SettingRefusal(`${JSON.stringify(text)} is none of ${accepts}`)
      return word
    },
    format: (word) => word,
  }
}

export function percent(described: Described<number>): Setting<number> {
  const accepts = 'a whole number from 1 to 100'
  return {
    ...described,
    unit: '%',
    accepts,
    parse(text) {
      const value = Number(/^(\d{1,3}) ?%?$/.exec(text)?.[1] ?? Number.NaN)
      if (!(value >= 1 && value <= 100)) throw new SettingRefusal(`${JSON.stringify(text)} is not ${accepts}`)
      return value
    },
    format: String,
  }
}

/** A port of TCP; 0: any that is free; null: none. */
export function port(described: Described<number | null>): Setting<number | null> {
  const accepts = `a number from 0 to ${PORT_MAX}, or off`
  return {
    ...described,
    unit: 'port',
    accepts,
    parse(text) {
      if (isOff(text)) return null
      const value = Number(/^\d{1,5}$/.exec(text)?.[0] ?? Number.NaN)
      if (!(value <= PORT_MAX)) throw new SettingRefusal(`${JSON.stringify(text)} is not ${accepts}`)
      return value
    },
    format: (value) => (value === null ? OFF : String(value)),
  }
}

/** Minutes of the local day: the first that is inside, and the first that is not; the latter may lie on the next day. */
export interface HoursOfDay {
  readonly fromMinute: number
  readonly toMinute: number
}

const MINUTES_PER_DAY = 24 * 60

/** A part of every day; null: all of it. */
export function hours(described: Described<HoursOfDay | null>): Setting<HoursOfDay | null> {
  const accepts = 'HH:MM-HH:MM such as 22:00-07:00, or off'
  return {
    ...described,
    unit: null,
    accepts,
    parse: (text) => (isOff(text) ? null : parseHours(text, accepts)),
    format: (value) => (value === null ? OFF : `${clockText(value.fromMinute)}-${clockText(value.toMinute)}`),
  }
}

function parseHours(text: string, accepts: string): HoursOfDay {
  const [, from = '', to = ''] = /^(\d\d:\d\d) ?- ?(\d\d:\d\d)$/.exec(text) ?? []
  const fromMinute = minuteOf(from)
  const toMinute = minuteOf(to)
  if (fromMinute === null || toMinute === null || fromMinute === MINUTES_PER_DAY) {
    throw new SettingRefusal(`${JSON.stringify(text)} is not ${accepts}`)
  }
  if (fromMinute === toMinute) throw new SettingRefusal(`${text} begins when it ends; off stands for the whole day`)
  return { fromMinute, toMinute }
}

/** 24:00 is the end of a day. */
function minuteOf(text: string): number | null {
  const [hour = Number.NaN, minute = Number.NaN] = text.split(':').map(Number)
  const minuteOfDay = hour * 60 + minute
  return minute < 60 && minuteOfDay <= MINUTES_PER_DAY ? minuteOfDay : null
}

function clockText(minuteOfDay: number): string {
  const twoDigits = (value: number): string => String(value).padStart(2, '0')
  return `${twoDigits(Math.floor(minuteOfDay / 60))}:${twoDigits(minuteOfDay % 60)}`
}

function isOff(text: string): boolean {
  return text.toLowerCase() === OFF
}

function quantity(text: string, accepts: string, min: number, max: number, isRate: boolean): number {
  const [, digits, multiple = '', unit = '', perSecond] = QUANTITY.exec(text) ?? []
  const bits = unit.toLowerCase() === 'bit'
  const ambiguous = unit === 'b' && multiple !== ''
  if (digits === undefined || ambiguous || (!isRate && (bits || perSecond !== undefined))) {
    throw new SettingRefusal(`${JSON.stringify(text)} is not ${accepts}`)
  }
  const times = MULTIPLES[multiple.toLowerCase()] ?? Number.NaN
  const value = Math.round((Number(digits) * times) / (bits ? BITS_PER_BYTE : 1))
  if (value >= min && value <= max) return value
  const suffix = isRate ? '/s' : ''
  throw new SettingRefusal(
    `${text} is outside ${shortest(min)}B${suffix} to ${shortest(max)}B${suffix}; off stands for no bound`,
  )
}

/** With the largest unit that needs no fraction, so that it is read back as the same number. */
function shortest(value: number): string {
  for (const [unit, times] of [
    ['T', 1e12],
    ['G', 1e9],
    ['M', 1e6],
    ['K', 1e3],
  ] as const) {
    if (value >= times && value % times === 0) return `${value / times}${unit}`
  }
  return String(value)
}
