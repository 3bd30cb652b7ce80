/** What `freshet why` says to people. */
import type { BytesBySource, FetchView, ReleaseWhy } from '../actors/why.ts'
import type { SourceKind, SourceReport } from '../schemas/fetch-report.ts'
import { formatBytes, formatCount } from './output.ts'
import type { FileWhy, WhyResult } from './why.ts'

const KINDS: Readonly<Record<SourceKind, string>> = { lan: 'local network', peer: 'peers beyond it', mirror: 'mirrors' }
const ONE: Readonly<Record<SourceKind, string>> = { lan: 'neighbour', peer: 'peer', mirror: 'mirror' }

export function whyText({ release, files }: WhyResult): string {
  return [...(release === null ? [] : [releaseText(release)]), ...files.map(fileText)].join('\n')
}

function releaseText({ channel, release, fetches, bytes, sources, slowest, failed }: ReleaseWhy): string {
  const { fetching, kept, unavailable } = fetches
  if (fetching + kept + unavailable === 0) return `${channel} #${release}: nothing that came with it was fetched here`
  const counts = [
    [kept, 'fetched'],
    [fetching, 'being fetched'],
    [unavailable, 'given up'],
  ] as const
  const what = counts.filter(([count]) => count > 0).map(([count, word]) => `${formatCount(count)} ${word}`)
  return [
    `${channel} #${release}: files: ${what.join(', ')}`,
    ...indented([...bytesLines(bytes), ...sourceLines(sources)]),
    ...(slowest.length > 0 ? ['  took longest:', ...indented(indented(slowest.map(shortLine)))] : []),
    ...(failed.length > 0 ? ['  given up:', ...indented(indented(failed.map(shortLine)))] : []),
  ].join('\n')
}

function fileText({ channel, name, version, architecture, sha256, size, held, fetch }: FileWhy): string {
  const title = name === null ? sha256 : `${channel}: ${name} ${version} (${architecture})  ${sha256}`
  const lines = fetch === null ? [] : fetchLines(fetch)
  const where =
    held === null ? 'not here' : held.adopted ? `a file of this host, used where it lies: ${held.path}` : held.path
  const past =
    fetch === null && held !== null && !held.adopted ? ['not fetched by this node, as far as it remembers'] : []
  return [`${title}${size === null ? '' : `  ${formatBytes(size)}`}`, ...indented([where, ...past, ...lines])].join(
    '\n',
  )
}

function fetchLines(fetch: FetchView): string[] {
  const { state, code, wantedAt, endedAt, bytes, sources, waits } = fetch
  const end = { fetching: 'being fetched', kept: `kept ${endedAt}`, unavailable: `given up ${endedAt}: ${code}` }[state]
  return [
    `wanted ${wantedAt}, ${end}`,
    ...bytesLines(bytes),
    ...sourceLines(sources),
    ...(waits === null ? ['where it came from was not recorded'] : [waitsLine(waits, state)]),
  ]
}

function bytesLines(bytes: BytesBySource): string[] {
  const all = bytes.here + bytes.lan + bytes.peer + bytes.mirror
  const parts = [
    [bytes.here, 'here from an earlier try'],
    [bytes.lan, KINDS.lan],
    [bytes.peer, KINDS.peer],
    [bytes.mirror, KINDS.mirror],
  ] as const
  return parts
    .filter(([count]) => count > 0)
    .map(([count, from]) => `${formatBytes(count).padStart(9)} ${percent(count, all).padStart(4)} %  ${from}`)
}

function sourceLines(sources: readonly SourceReport[]): string[] {
  return sources.map((source) => {
    const { kind, name, bytes, asked, refused, declined, code } = source
    const notes = [
      ...(bytes > 0 ? [`gave ${formatBytes(bytes)}`] : asked > 0 ? ['was asked and gave nothing'] : []),
      ...(refused > 0 ? [`refused ${refused} of ${asked} requests`] : []),
      ...(declined > 0 ? ['said that it has nothing of it'] : []),
      ...(code === null ? [] : [code]),
    ]
    return `${ONE[kind]} ${name === '' ? '(all others)' : name}: ${notes.join(', ')}`
  })
}

function waitsLine(waits: NonNullable<FetchView['waits']>, state: FetchView['state']): string {
  const { queuedMs, logMs, sourceMs, bytesMs, endMs } = waits
  const spans = [
    [queuedMs, 'for its turn'],
    [logMs, 'for the log'],
    [sourceMs, 'for a first byte'],
    [bytesMs, 'for the rest'],
    [endMs, state === 'kept' ? 'to be checked and kept' : 'since'],
  ] as const
  const parts = spans.filter(([ms]) => ms > 0).map(([ms, what]) => `${seconds(ms)} ${what}`)
  return parts.length === 0 ? 'waited for nothing' : `waited ${parts.join(', ')}`
}

function shortLine({ path, sha256, size, state, code, waits }: FetchView): string {
  const name = path?.split('/').at(-1) ?? sha256
  const why = state === 'unavailable' ? `  ${code}` : ''
  return `${name}  ${formatBytes(size)}${why}${waits === null ? '' : `  ${waitsLine(waits, state)}`}`
}

function percent(part: number, all: number): string {
  return String(Math.round((100 * part) / all))
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}
