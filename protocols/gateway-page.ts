/**
 * The page at `/`: the channels served here and the line of sources.list for each.
 *
 * Plain text: what a terminal shows and a browser cannot run.
 */
import type { ServedChannel } from './gateway-source.ts'

/** A page, not a catalogue. */
const CHANNELS_SHOWN_MAX = 200

export function gatewayPage(url: string, channels: readonly ServedChannel[]): string {
  const lines = ['Freshet serves these channels to apt:', '']
  for (const channel of channels.slice(0, CHANNELS_SHOWN_MAX)) {
    const release = channel.release === null ? 'no release yet' : `release #${channel.release}`
    const notices = channel.notices.length === 0 ? '' : ` (${channel.notices.join(', ')})`
    lines.push(`# ${channel.name}  ${channel.id}  ${release}${notices}`)
    lines.push(['deb', `${url}/${channel.name}`, channel.suite, ...channel.components].join(' '), '')
  }
  if (channels.length === 0) lines.push('(none yet: freshet follow ID)', '')
  if (channels.length > CHANNELS_SHOWN_MAX) lines.push(`and ${channels.length - CHANNELS_SHOWN_MAX} more`, '')
  lines.push('An older release: CHANNEL@7, CHANNEL@2024-05-01T00:00:00Z or CHANNEL@TAG in place of CHANNEL.')
  return `${lines.map(printable).join('\n')}\n`
}

/** Names come from publishers: nothing in them may end a line or steer a terminal. */
function printable(line: string): string {
  // eslint-disable-next-line no-control-regex
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/gu, '?')
}
