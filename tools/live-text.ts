/** What `freshet status --watch` shows in a terminal: as many lines as fit, each as long as fits. */
import type { LiveFetch, LiveRate, LiveStatus } from '../actors/live-status.ts'
import { formatBytes, formatCount } from './output.ts'

export interface Screen {
  readonly columns: number
  readonly rows: number
}

const BAR_LENGTH = 20
const KINDS = { lan: 'local network', peer: 'beyond it', mirror: 'mirrors' } as const

export function liveLines(status: LiveStatus, { columns, rows }: Screen): string[] {
  const { channels, peers, lanPeers, tcpPeers, fetching, fetches, rates } = status
  const head = [
    ...channels.map(({ name, release, behind, state, peers: of, trouble }) => {
      const late = behind > 0 ? `, ${formatCount(behind)} behind` : ''
      return `${name}  #${release}${late}  ${state}  ${of} peers${trouble === null ? '' : `  ${trouble}`}`
    }),
    `${peers} peers, ${lanPeers} on the local network, ${tcpPeers} over TCP`,
    `down  ${rateText(rates, 'down')}`,
    `up    ${rateText(rates, 'up')}`,
    `${formatCount(fetching)} files being fetched`,
  ]
  const room = Math.max(rows - 1 - head.length, 0)
  const listed = fetches.slice(0, fetching > room ? Math.max(room - 1, 0) : room)
  const more = fetching - listed.length
  const lines = [
    ...head,
    ...listed.map(fetchLine),
    ...(more > 0 && listed.length > 0 ? [`  and ${formatCount(more)} more`] : []),
  ]
  return lines.slice(0, Math.max(rows - 1, 1)).map((line) => line.slice(0, columns))
}

function rateText(rates: LiveStatus['rates'], direction: keyof LiveRate): string {
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[]
  const all = kinds.reduce((sum, kind) => sum + rates[kind][direction], 0)
  const parts = kinds.filter((kind) => rates[kind][direction] > 0)
  const split = parts.map((kind) => `${KINDS[kind]} ${formatBytes(rates[kind][direction])}/s`).join(', ')
  return `${formatBytes(all)}/s${split === '' ? '' : ` (${split})`}`
}

function fetchLine({ path, sha256, size, bytes, bytesPerSecond, state }: LiveFetch): string {
  const name = path?.split('/').at(-1) ?? sha256.slice(0, 16)
  const full = size === 0 ? BAR_LENGTH : Math.round((BAR_LENGTH * bytes) / size)
  const bar = `${'#'.repeat(full)}${'-'.repeat(BAR_LENGTH - full)}`
  const pace = state === 'waiting' ? 'waiting' : `${formatBytes(bytesPerSecond)}/s`
  return `  [${bar}] ${formatBytes(bytes)} of ${formatBytes(size)}  ${pace}  ${name}`
}
