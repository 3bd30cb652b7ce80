/**
 * Finds nodes of the local network that follow a channel of ours, without the internet: by mDNS, on every private interface.
 *
 * Owns: which interfaces there are, under what name this node is announced on each (advert.ts), and who was found. Everything that
 * comes is hostile: only senders of the interface's own, private network count, few of one address, and each is reported no more
 * often than a handshake is worth. IPv4 only, as HyperDHT is.
 */
import { randomBytes } from 'node:crypto'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import {
  LAN_CHANGE_MS,
  LAN_COMPARISONS_PER_S_MAX,
  LAN_FOUND_MAX,
  LAN_FOUND_MS,
  LAN_FOUND_PER_ADDRESS_MAX,
  LAN_LINKS_MAX,
  LAN_LOOK_MS,
  LAN_NAME_MS,
  LAN_REPEAT_MS,
  MDNS_PORT,
} from '../../schemas/limits.ts'
import { isLanAddress } from '../lan-address.ts'
import { RateLimit } from '../rate-limit.ts'
import { advertStrings, createAdvert, type LanEndpoint, type LanFind, parseAdvert, recogniseAdvert } from './advert.ts'
import { LanLink } from './lan-link.ts'
import type { FoundService } from './services.ts'

export interface LanDiscoveryOptions {
  readonly nodeKey: Buffer
  /** UDP port that this node is reached at; 0: not yet. */
  readonly port: () => number
  /** Keys of the logs that it shares. */
  readonly channelKeys: () => readonly Buffer[]
  /** Somebody says that he is there and follows a channel of ours. */
  readonly onFound: (find: LanFind, endpoint: LanEndpoint) => void
  readonly onTrouble: (error: Error) => void
  /** Instead of those of all local networks; for tests. */
  readonly hosts?: readonly string[]
  readonly mdnsPort?: number
}

interface OpenLink {
  readonly link: LanLink
  readonly endpoint: LanEndpoint
  namedAtMs: number
}

export class LanDiscovery {
  readonly #options: LanDiscoveryOptions
  readonly #links = new Map<string, OpenLink>()
  /** Who was reported, as ADDRESS KEY, and when. */
  readonly #found = new Map<string, number>()
  readonly #comparisons = new RateLimit(LAN_COMPARISONS_PER_S_MAX)
  #isOn = false
  #timer: NodeJS.Timeout | null = null
  #isTroubled = false

  constructor(options: LanDiscoveryOptions) {
    this.#options = options
  }

  /** On or off, from now on. */
  turn(isOn: boolean): void {
    if (isOn === this.#isOn) return
    this.#isOn = isOn
    if (isOn) this.#look()
    else this.#stop()
  }

  /** There are other channels now, or a port. */
  changed(): void {
    for (const open of this.#links.values()) open.namedAtMs = Number.NEGATIVE_INFINITY
    if (this.#isOn) this.#lookLater(LAN_CHANGE_MS)
  }

  /** A peer of the local network is gone: it may come back, under another address. */
  lost(): void {
    for (const { link } of this.#links.values()) link.ask()
  }

  close(): void {
    this.turn(false)
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const { link } of this.#links.values()) link.close()
    this.#links.clear()
    this.#found.clear()
  }

  #lookLater(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), delayMs).unref()
  }

  /** Interfaces come and go with cables and networks, and nothing says so. */
  #look(): void {
    const { port, channelKeys, hosts } = this.#options
    const channels = channelKeys()
    const isWanted = channels.length > 0 && port() > 0
    const networks = isWanted ? localNetworks(hosts) : []
    for (const [host, { link, endpoint }] of this.#links) {
      if (endpoint.port === port() && networks.some((network) => network.host === host)) continue
      link.close()
      this.#links.delete(host)
    }
    for (const network of networks) this.#announce(this.#links.get(network.host) ?? this.#open(network), channels)
    this.#lookLater(LAN_LOOK_MS)
  }

  #open({ host, isNear }: LocalNetwork): OpenLink {
    const endpoint = { host, port: this.#options.port() }
    const link = new LanLink({
      host,
      isNear,
      mdnsPort: this.#options.mdnsPort ?? MDNS_PORT,
      onFound: (service, from) => this.#heard(service, from),
      onTrouble: (error) => this.#trouble(error),
    })
    const open = { link, endpoint, namedAtMs: Number.NEGATIVE_INFINITY }
    this.#links.set(host, open)
    return open
  }

  /** Under a new name every now and then, so that nobody can say for long that it is the same machine. */
  #announce(open: OpenLink, channels: readonly Buffer[]): void {
    const nowMs = performance.now()
    if (nowMs - open.namedAtMs < LAN_NAME_MS) return
    open.namedAtMs = nowMs
    const { host, port } = open.endpoint
    const advert = createAdvert(this.#options.nodeKey, channels, open.endpoint)
    open.link.announce({ label: randomBytes(8).toString('hex'), host, port, strings: advertStrings(advert) })
  }

  #heard({ port, strings }: FoundService, host: string): void {
    const { nodeKey, channelKeys, onFound } = this.#options
    if (this.#links.get(host)?.endpoint.port === port) return // ourselves
    const advert = parseAdvert(strings)
    const channels = channelKeys()
    if (advert === null || this.#comparisons.delayMs(channels.length, performance.now()) > 0) return
    this.#comparisons.spend(channels.length, performance.now())
    const find = recogniseAdvert(advert, channels, { host, port })
    if (find === null || find.nodeKey.equals(nodeKey) || !this.#admits(find.nodeKey.toString('hex'), host)) return
    onFound(find, { host, port })
  }

  /** An address counts for itself: nobody can put off that a node is found by giving out its key. */
  #admits(key: string, host: string): boolean {
    const nowMs = performance.now()
    for (const [other, atMs] of this.#found) if (nowMs - atMs > LAN_FOUND_MS) this.#found.delete(other)
    const name = `${host} ${key}`
    const atMs = this.#found.get(name)
    if (atMs !== undefined && nowMs - atMs < LAN_REPEAT_MS) return false
    const ofAddress = [...this.#found.keys()].filter((other) => other.startsWith(`${host} `)).length
    const isFull = this.#found.size >= LAN_FOUND_MAX || ofAddress >= LAN_FOUND_PER_ADDRESS_MAX
    if (atMs === undefined && isFull) return false
    this.#found.set(name, nowMs)
    return true
  }

  /** Said once: it is the same on every interface, and after every look. */
  #trouble(error: Error): void {
    if (this.#isTroubled) return
    this.#isTroubled = true
    this.#options.onTrouble(error)
  }
}

interface LocalNetwork {
  readonly host: string
  readonly isNear: (host: string) => boolean
}

/** @param hosts null: all private addresses of this machine that other machines could see. */
function localNetworks(hosts?: readonly string[]): LocalNetwork[] {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  return addresses
    .filter(({ family, address, internal }) => family === 'IPv4' && (hosts?.includes(address) ?? !internal))
    .filter(({ address }) => isLanAddress(address))
    .slice(0, LAN_LINKS_MAX)
    .map(({ address, cidr }) => {
      const network = new BlockList()
      const [base = address, prefix = '32'] = (cidr ?? '').split('/')
      network.addSubnet(base, Number(prefix), 'ipv4')
      return { host: address, isNear: (host) => isLanAddress(host) && network.check(host, 'ipv4') }
    })
}
