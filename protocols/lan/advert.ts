/**
 * What a node says of itself on the local network: its key, for those alone who follow a channel that it follows.
 *
 *   TXT  v=1 · s=SALT · e0=, e1=, ... = entries
 *   entry = first 8 bytes of HMAC(channel key, "tag" ...)  ‖  node key XOR HMAC(channel key, "key" ...)
 *
 * Each HMAC (SHA-256) is also of the salt, the address and the port, so an advert repeated elsewhere finds nobody. Who does not know
 * the key of a channel can neither tell that it is followed, nor learn the node's key, nor see that two adverts are of one node: the
 * salt is new each time. Entries that mean nothing make the number of channels a multiple of four. Who knows a channel, as everybody
 * knows those of large distributions, sees who follows it here. Nothing is proved by an advert: the handshake with the node does that.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { LAN_CHANNELS_MAX, TXT_STRING_BYTES_MAX } from '../../schemas/limits.ts'

export interface LanEndpoint {
  /** IPv4. */
  readonly host: string
  readonly port: number
}

export interface LanAdvert {
  readonly salt: Buffer
  readonly entries: readonly Buffer[]
}

/** Somebody who follows a channel of ours. */
export interface LanFind {
  readonly nodeKey: Buffer
  readonly channelKey: Buffer
}

const VERSION = 'v=1'
const SALT_BYTES = 16
const TAG_BYTES = 8
const KEY_BYTES = 32
const ENTRY_BYTES = TAG_BYTES + KEY_BYTES
const ENTRIES_PER_STRING = 6
/** The number of entries is a multiple of it. */
const ENTRIES_STEP = 4

/** Of more channels than fit, others are named the next time. */
export function createAdvert(nodeKey: Buffer, channelKeys: readonly Buffer[], endpoint: LanEndpoint): LanAdvert {
  const salt = randomBytes(SALT_BYTES)
  const chosen = shuffled(channelKeys).slice(0, LAN_CHANNELS_MAX)
  const entries = chosen.map((channelKey) => {
    const pad = mac(channelKey, 'key', salt, endpoint)
    const sealed = nodeKey.map((byte, at) => byte ^ (pad[at] ?? 0))
    return Buffer.concat([tagOf(channelKey, salt, endpoint), sealed])
  })
  while (entries.length % ENTRIES_STEP !== 0) entries.push(randomBytes(ENTRY_BYTES))
  return { salt, entries: shuffled(entries) }
}

/** @returns who it is, if it names a channel of ours; else null. */
export function recogniseAdvert(
  { salt, entries }: LanAdvert,
  channelKeys: Iterable<Buffer>,
  endpoint: LanEndpoint,
): LanFind | null {
  for (const channelKey of channelKeys) {
    const tag = tagOf(channelKey, salt, endpoint)
    const entry = entries.find((one) => timingSafeEqual(one.subarray(0, TAG_BYTES), tag))
    if (entry === undefined) continue
    const pad = mac(channelKey, 'key', salt, endpoint)
    return { nodeKey: Buffer.from(entry.subarray(TAG_BYTES).map((byte, at) => byte ^ (pad[at] ?? 0))), channelKey }
  }
  return null
}

/** The strings of a TXT record (RFC 6763, section 6). */
export function advertStrings({ salt, entries }: LanAdvert): Buffer[] {
  const strings = [Buffer.from(VERSION), Buffer.concat([Buffer.from('s='), salt])]
  for (let first = 0; first < entries.length; first += ENTRIES_PER_STRING) {
    const name = Buffer.from(`e${first / ENTRIES_PER_STRING}=`)
    strings.push(Buffer.concat([name, ...entries.slice(first, first + ENTRIES_PER_STRING)]))
  }
  return strings
}

/** @param strings whatever a packet had. @returns null for what is not an advert of a version that is known. */
export function parseAdvert(strings: unknown): LanAdvert | null {
  const stringsMax = 2 + Math.ceil(LAN_CHANNELS_MAX / ENTRIES_PER_STRING)
  if (!Array.isArray(strings) || strings.length < 3 || strings.length > stringsMax) return null
  const [version, salt, ...rest] = strings.filter(isTxtString)
  if (version?.toString('latin1') !== VERSION || salt === undefined || rest.length !== strings.length - 2) return null
  if (salt.byteLength !== 2 + SALT_BYTES || salt.toString('latin1', 0, 2) !== 's=') return null
  const entries: Buffer[] = []
  for (const [index, string] of rest.entries()) {
    const bytes = string.subarray(3)
    if (string.toString('latin1', 0, 3) !== `e${index}=` || bytes.byteLength % ENTRY_BYTES !== 0) return null
    for (let at = 0; at < bytes.byteLength; at += ENTRY_BYTES) entries.push(bytes.subarray(at, at + ENTRY_BYTES))
  }
  return entries.length > LAN_CHANNELS_MAX ? null : { salt: salt.subarray(2), entries }
}

function isTxtString(value: unknown): value is Buffer {
  return Buffer.isBuffer(value) && value.byteLength <= TXT_STRING_BYTES_MAX
}

function tagOf(channelKey: Buffer, salt: Buffer, endpoint: LanEndpoint): Buffer {
  return mac(channelKey, 'tag', salt, endpoint).subarray(0, TAG_BYTES)
}

function mac(channelKey: Buffer, purpose: string, salt: Buffer, { host, port }: LanEndpoint): Buffer {
  const about = Buffer.from(`freshet lan 1 ${purpose} ${host} ${port} `)
  return createHmac('sha256', channelKey).update(about).update(salt).digest()
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: randomBytes(4).readUInt32BE() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
