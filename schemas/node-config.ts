/**
 * Every setting of a node: what it is called, what it may be, what it is without a word from its owner, and what it means.
 *
 * The one declaration: the file's parser, `freshet config`, its help and the policy (actors/link-policy.ts) are made from it.
 * Defaults are those of somebody who carries a laptop about: everything is shared where bytes and power cost nothing, and only
 * neighbours are served where they do. Neighbours stay served because a link to them is not metered, and is short work.
 */
import { budget, choice, hours, percent, port, rate } from './setting-kinds.ts'

const WHERE_IT_COSTS = ['share', 'lan-only', 'off', 'pause'] as const

export const SETTINGS = {
  share: choice(['on', 'lan-only', 'off'], {
    default: 'on',
    means: 'to whom files are given: to everybody, only to machines on the local network, or to nobody.',
  }),
  fetch: choice(['on', 'off'], {
    default: 'on',
    means: 'whether files are fetched from others; with off this node gives what it has and asks for nothing.',
  }),
  'share-hours': hours({
    default: null,
    means:
      'the part of the day, in local time, in which files are given to machines beyond the local network; off: all of it.',
  }),
  'upload-cap': rate({
    default: null,
    means: 'how fast files are sent, to all peers together; off: no bound.',
  }),
  'download-cap': rate({
    default: null,
    means: 'how fast files are fetched, from all peers together; off: no bound.',
  }),
  'monthly-upload': budget({
    default: null,
    means:
      'what may be sent beyond the local network in a calendar month; then only that network is served; off: no bound.',
  }),
  'monthly-download': budget({
    default: null,
    means:
      'what may be fetched from beyond the local network in a calendar month; then nothing is fetched; off: no bound.',
  }),
  'on-metered': choice(WHERE_IT_COSTS, {
    default: 'lan-only',
    means:
      'what to do while the system says that the link is metered: go on, give to the local network only, give nothing, or neither give nor fetch (pause).',
  }),
  'on-battery': choice(WHERE_IT_COSTS, {
    default: 'lan-only',
    means: 'the same while the machine runs on a battery that is down to on-battery-percent.',
  }),
  'on-battery-percent': percent({
    default: 50,
    means: 'the charge at and below which on-battery holds; 100: whenever the machine runs on battery.',
  }),
  'tcp-port': port({
    default: 0,
    means:
      'the TCP port for files from and to peers that are connected already, which costs less processor time than UDP; 0: any that is free, off: none is opened; from the next start on.',
  }),
  rollout: choice(['early', 'phased', 'last'], {
    default: 'phased',
    means:
      'when a release is taken that is offered to a share of the followers first: at once, when this node is in the share, or when all are.',
  }),
  verdicts: choice(['on', 'off'], {
    default: 'on',
    means:
      'whether releases that are published here say which of their packages cannot be installed; import --refuse-broken looks all the same.',
  }),
  'lan-discovery': choice(['on', 'off'], {
    default: 'on',
    means:
      'whether nodes of the local network that follow the same channels are looked for there (multicast DNS), which also works without the internet.',
  }),
}

export type SettingName = keyof typeof SETTINGS
/** A value for every setting, each within its bounds. */
export type NodeConfig = { readonly [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['parse']> }

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]

export function isSettingName(text: string): text is SettingName {
  return Object.hasOwn(SETTINGS, text)
}

/** What holds where the owner said nothing. */
export const DEFAULT_CONFIG = Object.fromEntries(
  SETTING_NAMES.map((name) => [name, SETTINGS[name].default]),
) as NodeConfig

/** The value of a setting as a person could write it. */
export function settingText<Name extends SettingName>(name: Name, value: NodeConfig[Name]): string {
  return (SETTINGS[name] as { format(value: NodeConfig[Name]): string }).format(value)
}
