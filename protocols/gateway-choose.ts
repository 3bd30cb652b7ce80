/**
 * Which release answers a request: the one that the client's session began with.
 *
 * A session begins with an InRelease (or Release), which always comes from the current release. Later requests of the
 * same connection, else of the same client (address and User-Agent), get files of that release, so an InRelease is never
 * mixed with the indexes of another one. A file named by its content that this release lacks (apt may install from an
 * older list) is looked for in the current and in a bounded number of recent releases: apt checks its hash itself.
 * Only numbers are remembered; a release not at hand is resolved again.
 */
import { FreshetError } from '../schemas/errors.ts'
import {
  GATEWAY_PIN_IDLE_MS,
  GATEWAY_PINS_MAX,
  GATEWAY_RECENT_RELEASES_MAX,
  GATEWAY_RELEASES_MAX,
} from '../schemas/limits.ts'
import { type GatewayPath, isByHash, isForeignSuite, startsSession } from './gateway-path.ts'
import { type Pin, PinTable } from './gateway-pins.ts'
import type { GatewaySource, ServedFile, ServedRelease } from './gateway-source.ts'

export interface GatewayClient {
  /** Pins of one connection, by `CHANNEL[@WHEN]` as the client writes it. */
  readonly connectionPins: Map<string, Pin>
  /** What stays the same when the client connects again. */
  readonly identity: string
}

export interface Found {
  readonly release: ServedRelease
  readonly file: ServedFile
}

/** Channels that one connection may be pinned in; beyond it the client's identity must do. */
const CONNECTION_PINS_MAX = 64
/** Channels whose recent release numbers are remembered. */
const CHANNELS_SEEN_MAX = 256

export class ReleaseChooser {
  readonly #source: GatewaySource
  readonly #pins: PinTable
  /** By channel id and number, in order of use. */
  readonly #releases = new Map<string, ServedRelease>()
  /** By `CHANNEL[@WHEN]`, newest last. */
  readonly #seen = new Map<string, Pin[]>()

  constructor(source: GatewaySource, nowMs: () => number) {
    this.#source = source
    this.#pins = new PinTable({ entriesMax: GATEWAY_PINS_MAX, idleMs: GATEWAY_PIN_IDLE_MS, nowMs })
  }

  /** @throws FreshetError NOT_FOUND, and what the source throws. */
  async find(request: GatewayPath & { readonly channel: string }, client: GatewayClient): Promise<Found> {
    const view = request.when === null ? request.channel : `${request.channel}@${request.when}`
    let current: ServedRelease | null = null
    if (/(^|\/)(In)?Release$/.test(request.path)) {
      current = await this.#current(request.channel, request.when, view)
      if (startsSession(request.path, current.suite)) return await this.#begin(current, request.path, view, client)
    }
    const pinned = await this.#pinned(request.channel, view, client)
    const release = pinned ?? current ?? (await this.#current(request.channel, request.when, view))
    if (isForeignSuite(request.path, release.suite)) throw notFound(release, request.path)
    const file = await release.open(request.path)
    if (file !== null) return { release, file }
    const elsewhere = await this.#findElsewhere(request, view, release, pinned !== null)
    if (elsewhere === null) throw notFound(release, request.path)
    return elsewhere
  }

  async #begin(release: ServedRelease, path: string, view: string, client: GatewayClient): Promise<Found> {
    const file = await release.open(path)
    if (file === null) throw notFound(release, path)
    const pin = pinOf(release)
    if (client.connectionPins.has(view) || client.connectionPins.size < CONNECTION_PINS_MAX) {
      client.connectionPins.set(view, pin)
    }
    this.#pins.set(`${view} ${client.identity}`, pin)
    return { release, file }
  }

  async #pinned(channel: string, view: string, client: GatewayClient): Promise<ServedRelease | null> {
    const pin = client.connectionPins.get(view) ?? this.#pins.get(`${view} ${client.identity}`)
    return pin === null ? null : await this.#byNumber(channel, pin)
  }

  /** Asked of the source each time: only it knows what is current. */
  async #current(channel: string, when: string | null, view: string): Promise<ServedRelease> {
    const release = await this.#source.resolve(channel, when)
    this.#keep(release)
    const pin = pinOf(release)
    const seen = (this.#seen.get(view) ?? []).filter((other) => !isSame(other, pin))
    this.#seen.delete(view)
    this.#seen.set(view, [...seen, pin].slice(-GATEWAY_RECENT_RELEASES_MAX))
    trim(this.#seen, CHANNELS_SEEN_MAX)
    return release
  }

  /** @returns null when the channel has no such release (any more), or its name now means another channel. */
  async #byNumber(channel: string, pin: Pin): Promise<ServedRelease | null> {
    const kept = this.#releases.get(releaseKey(pin))
    if (kept !== undefined) {
      this.#keep(kept)
      return kept
    }
    try {
      const release = await this.#source.resolve(channel, `#${pin.number}`)
      if (!isSame(pinOf(release), pin)) return null
      this.#keep(release)
      return release
    } catch (error) {
      if (error instanceof FreshetError && error.code === 'RELEASE_UNKNOWN') return null
      throw error
    }
  }

  async #findElsewhere(
    request: GatewayPath & { readonly channel: string },
    view: string,
    release: ServedRelease,
    isPinned: boolean,
  ): Promise<Found | null> {
    if (request.path.startsWith('dists/') && !isByHash(request.path)) return null
    const tried = new Set([releaseKey(pinOf(release))])
    if (isPinned) {
      const current = await this.#current(request.channel, request.when, view)
      const found = await openNamed(current, request.path)
      if (found !== null) return found
      tried.add(releaseKey(pinOf(current)))
    }
    for (const pin of (this.#seen.get(view) ?? []).toReversed()) {
      if (tried.has(releaseKey(pin))) continue
      const other = await this.#byNumber(request.channel, pin)
      const found = other === null ? null : await openNamed(other, request.path)
      if (found !== null) return found
    }
    return null
  }

  #keep(release: ServedRelease): void {
    const key = releaseKey(pinOf(release))
    this.#releases.delete(key)
    this.#releases.set(key, release)
    trim(this.#releases, GATEWAY_RELEASES_MAX)
  }
}

/** Whether no other version of the file can have its Last-Modified, so that equal dates mean equal bytes. */
export function isDateStrong({ release, file }: Found, path: string): boolean {
  if (isByHash(path) || file.kind === 'artifact') return true
  if (file.kind === 'index') return false // apt knows by the hash in its InRelease; nobody needs the date
  return release.isDateUnique
}

/** Only a file whose hash the client knows already may come from another release than its own. */
async function openNamed(release: ServedRelease, path: string): Promise<Found | null> {
  const file = await release.open(path)
  return file !== null && (file.kind === 'artifact' || isByHash(path)) ? { release, file } : null
}

function pinOf(release: ServedRelease): Pin {
  return { channelId: release.channelId, number: release.number }
}

function releaseKey(pin: Pin): string {
  return `${pin.channelId} ${pin.number}`
}

function isSame(one: Pin, other: Pin): boolean {
  return one.channelId === other.channelId && one.number === other.number
}

/** Forgets what was used longest ago. */
function trim(map: Map<string, unknown>, entriesMax: number): void {
  for (const key of map.keys()) {
    if (map.size <= entriesMax) return
    map.delete(key)
  }
}

function notFound(release: ServedRelease, path: string): FreshetError {
  const detail = { channel: release.channelId, release: release.number, path }
  const hint = isForeignSuite(path, release.suite) ? `: this channel is suite ${release.suite}` : ''
  return new FreshetError('NOT_FOUND', `release #${release.number} has no file ${path}${hint}`, detail)
}
