/**
 * What the system says of power and link: charge and charger from sysfs, metered from NetworkManager. Where it says nothing, null.
 *
 * Sources: Linux ABI testing/sysfs-class-power; NetworkManager's D-Bus property Metered, which speaks for the primary connection.
 * NetworkManager is asked through a D-Bus client that comes with the system, one after the other until one knows, and is not
 * started for it. Nothing here fails: an answer that does not come in time is none.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LINK_FACTS_MS_MAX, POWER_SUPPLIES_MAX } from '../../schemas/limits.ts'
import type { LinkFacts } from '../link-policy.ts'

export interface LinkFactsOptions {
  /** Instead of /sys/class/power_supply. */
  readonly powerSupplies?: string
  /** Folders with the programs that ask NetworkManager, instead of PATH. */
  readonly programs?: string
}

const POWER_SUPPLIES = '/sys/class/power_supply'
const NETWORK_MANAGER = ['org.freedesktop.NetworkManager', '/org/freedesktop/NetworkManager'] as const
const ASKING: readonly (readonly [string, readonly string[]])[] = [
  ['busctl', ['--system', '--auto-start=no', 'get-property', ...NETWORK_MANAGER, NETWORK_MANAGER[0], 'Metered']],
  [
    'dbus-send',
    [
      '--system',
      '--print-reply=literal',
      `--dest=${NETWORK_MANAGER[0]}`,
      NETWORK_MANAGER[1],
      'org.freedesktop.DBus.Properties.Get',
      `string:${NETWORK_MANAGER[0]}`,
      'string:Metered',
    ],
  ],
]
/** NMMetered: yes, no, guessed yes, guessed no; 0 is unknown. */
const METERED: Readonly<Record<string, boolean>> = { 1: true, 2: false, 3: true, 4: false }
const ANSWER_BYTES_MAX = 4096

export async function readLinkFacts(options: LinkFactsOptions = {}): Promise<LinkFacts> {
  const [power, metered] = await Promise.all([
    readPower(options.powerSupplies ?? POWER_SUPPLIES),
    readMetered(options.programs ?? process.env['PATH'] ?? ''),
  ])
  return { ...power, metered }
}

interface Supply {
  readonly kind: 'battery' | 'charger'
  /** A battery that gives, a charger that is plugged in. */
  readonly active: boolean
  readonly percent: number | null
}

async function readPower(folder: string): Promise<Pick<LinkFacts, 'onBattery' | 'batteryPercent'>> {
  const names = await readdir(folder).catch(() => null)
  if (names === null) return { onBattery: null, batteryPercent: null }
  const read = await Promise.all(names.slice(0, POWER_SUPPLIES_MAX).map((name) => readSupply(join(folder, name))))
  const supplies = read.filter((supply) => supply !== null)
  const batteries = supplies.filter(({ kind }) => kind === 'battery')
  const chargers = supplies.filter(({ kind }) => kind === 'charger')
  const plugged = chargers.some(({ active }) => active)
  const onBattery = batteries.length > 0 && !plugged && batteries.some(({ active }) => active)
  const percents = batteries.map(({ percent }) => percent).filter((percent) => percent !== null)
  const sum = percents.reduce((total, percent) => total + percent, 0)
  return { onBattery, batteryPercent: percents.length === 0 ? null : Math.round(sum / percents.length) }
}

/** Null: not one that runs this machine. Those of mice and headsets have the scope Device. */
async function readSupply(folder: string): Promise<Supply | null> {
  const read = async (name: string): Promise<string> =>
    (await readFile(join(folder, name), 'latin1').catch(() => '')).trim()
  const [type, scope, status, capacity, online] = await Promise.all(
    ['type', 'scope', 'status', 'capacity', 'online'].map(read),
  )
  if (scope === 'Device') return null
  if (type === 'Battery' || type === 'UPS') {
    const percent = /^\d{1,3}$/.test(capacity ?? '') ? Math.min(Number(capacity), 100) : null
    return { kind: 'battery', active: status === 'Discharging', percent }
  }
  // USB, USB_C, USB_PD and their like are chargers as Mains is; online is 2 for one whose voltage can be set.
  return type === '' ? null : { kind: 'charger', active: online === '1' || online === '2', percent: null }
}

async function readMetered(programs: string): Promise<boolean | null> {
  const deadline = AbortSignal.timeout(LINK_FACTS_MS_MAX)
  for (const [program, args] of ASKING) {
    const answer = await outputOf(program, args, programs, deadline)
    const value = /\b(?:u|uint32) (\d)\s*$/.exec(answer ?? '')?.[1]
    if (value !== undefined) return METERED[value] ?? null
  }
  return null
}

/** Null when it cannot be run, ends badly, or does not end in time: then it is killed. */
function outputOf(
  program: string,
  args: readonly string[],
  programs: string,
  signal: AbortSignal,
): Promise<string | null> {
  const options = {
    signal,
    killSignal: 'SIGKILL',
    maxBuffer: ANSWER_BYTES_MAX,
    env: { ...process.env, PATH: programs, LC_ALL: 'C' },
  } as const
  return new Promise((resolve) => {
    try {
      execFile(program, args, options, (error, stdout) => resolve(error === null ? stdout : null))
    } catch {
      resolve(null) // aborted before it began
    }
  })
}
