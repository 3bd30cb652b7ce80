/**
 * One Hyperswarm: finds the peers of a topic and hands out guarded connections.
 *
 * Owns: how many connections there are, in all and per address; that a topic is looked up again while peers are few
 * (Hyperswarm itself looks once in ten minutes, and two nodes that join at the same moment miss each other); and the peers that
 * were dropped for cause. There is one connection per peer, whatever the number of topics.
 * Refuses to ban for good: a key that misbehaved waits, twice as long every time.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import type { DhtAddress } from 'hyperdht'
import Hyperswarm from 'hyperswarm'
import type { DiscoverySession } from 'hyperswarm'
import type { FreshetError } from '../schemas/errors.ts'
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  LOOKUP_DELAY_MS_MAX,
  LOOKUP_DELAY_MS_MIN,
  PEERS_WANTED,
  SWARM_CLOSE_MS,
} from '../schemas/limits.ts'
import { keyHex, type KeyHex } from '../schemas/units.ts'
import { DroppedPeers } from './dropped-peers.ts'
import { guardConnection, type GuardedMux } from './guard.ts'
import { isLoopback, isLoopbackNetwork } from './loopback.ts'

export interface Connection {
  readonly stream: NoiseSecretStream
  readonly mux: GuardedMux
  readonly remoteKey: KeyHex
}

export interface SwarmOptions {
  readonly keyPair?: KeyPair
  /** Instead of the public DHT. */
  readonly bootstrap?: readonly DhtAddress[]
  readonly port?: number
  readonly onConnection: (connection: Connection) => void
  /** A peer broke a rule; it is dropped and backed off already. */
  readonly onRefused?: (peer: KeyHex, error: FreshetError) => void
  readonly now?: () => number
  /** By discovery key, 64 hex characters. */
  readonly refusesLog?: (discoveryKey: string) => boolean
}

interface Topic {
  readonly session: DiscoverySession
  /** Whether others find this node under the topic, or it only finds them. */
  readonly announced: boolean
  timer: NodeJS.Timeout | null
  delayMs: number
}

export class Swarm {
  readonly #swarm: Hyperswarm
  readonly #options: SwarmOptions
  readonly #topics = new Map<string, Topic>()
  readonly #connections = new Map<NoiseSecretStream, Connection>()
  readonly #dropped: DroppedPeers
  #closing: Promise<void> | null = null

  constructor(options: SwarmOptions) {
    this.#options = options
    const { bootstrap = [], keyPair, port } = options
    const local = isLoopbackNetwork(bootstrap)
    const dht = new HyperDHT({
      ...(bootstrap.length > 0 ? { bootstrap } : {}),
      // On loopback every node is reachable: without saying so, both ends wait 14 s for a hole punch that never comes, and
      // unless bound to loopback one end believes in a connection that the other never saw.
      ...(local ? { host: '127.0.0.1', firewalled: false, ephemeral: true } : {}),
      ...(port === undefined ? {} : { port }),
    })
    this.#swarm = new Hyperswarm({
      dht,
      maxPeers: CONNECTIONS_MAX,
      maxServerConnections: CONNECTIONS_MAX,
      ...(keyPair ? { keyPair } : {}),
    })
    this.#dropped = new DroppedPeers(this.#swarm, options.now)
    this.#swarm.on('connection', (stream) => this.#connected(stream))
  }

  get publicKey(): KeyHex {
    return keyHex(this.#swarm.keyPair.publicKey)
  }

  /** UDP port of the DHT node; 0 before it is bound. */
  get port(): number {
    return this.#swarm.dht.address()?.port ?? 0
  }

  get connections(): IterableIterator<Connection> {
    return this.#connections.values()
  }

  /**
   * Announces this node under `topic` (32 bytes), then looks for others. Resolves after the first look-up, which says nothing
   * about connections, and takes some seconds where no bootstrap node answers. Joining twice does nothing.
   * @param announced false: only looks for others.
   */
  async join(topic: Buffer, announced = true): Promise<void> {
    const key = topic.toString('hex')
    if (this.#closing !== null || this.#topics.has(key)) return
    const session = this.#swarm.join(topic, { server: announced, client: !announced })
    const entry: Topic = { session, announced, timer: null, delayMs: LOOKUP_DELAY_MS_MIN }
    this.#topics.set(key, entry)
    await session.flushed()
    await this.#lookUp(key, entry)
  }

  /** Resolves when `port` is known. */
  async bound(): Promise<void> {
    await this.#swarm.dht.bind()
  }

  /**
   * Connects to a peer that is known to be at `address`, as if a look-up of `topic` had named it; a node is its own relay where it is reached
   * directly, so no DHT is needed. Says nothing about success: keys and addresses may be anybody's word.
   */
  found(publicKey: Buffer, address: DhtAddress, topic: Buffer): void {
    const isConnected = [...this.#connections.values()].some(({ stream }) => stream.remotePublicKey?.equals(publicKey))
    if (this.#closing !== null || isConnected || !this.#topics.has(topic.toString('hex'))) return
    this.#swarm._handlePeer({ publicKey, relayAddresses: [address] }, topic)
  }

  /** Resolves when whoever the look-ups under way find is connected, or cannot be. Bound it: a network that is down takes long. */
  async settle(): Promise<void> {
    await this.#swarm.flush()
  }

  async leave(topic: Buffer): Promise<void> {
    const key = topic.toString('hex')
    const entry = this.#topics.get(key)
    if (entry === undefined) return
    this.#forget(key, entry)
    await this.#swarm.leave(topic)
  }

  /** Closes the connection to a peer that misbehaved and does not take or make another for a while. */
  drop(peer: KeyHex, error: FreshetError): void {
    this.#dropped.add(peer)
    for (const { stream, remoteKey } of this.#connections.values()) if (remoteKey === peer) stream.destroy(error)
  }

  /** Closes every connection. Waits at most SWARM_CLOSE_MS for the network to take the announcements back. */
  destroy(): Promise<void> {
    this.#closing ??= this.#destroy()
    return this.#closing
  }

  async #destroy(): Promise<void> {
    for (const [key, entry] of this.#topics) this.#forget(key, entry)
    this.#dropped.clear()
    const polite = this.#swarm.destroy()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), SWARM_CLOSE_MS)
    })
    const outcome = await Promise.race([polite, late])
    clearTimeout(timer)
    if (outcome !== 'late') return
    polite.catch(() => undefined) // overtaken by force
    await this.#swarm.destroy({ force: true })
  }

  #connected(stream: NoiseSecretStream): void {
    const remoteKey = stream.remotePublicKey === null ? null : keyHex(stream.remotePublicKey)
    if (remoteKey === null || !this.#admits(stream, remoteKey)) {
      stream.on('error', () => undefined) // we close it
      stream.destroy()
      return
    }
    const mux = guardConnection(stream, {
      ...(this.#options.now ? { now: this.#options.now } : {}),
      ...(this.#options.refusesLog ? { refusesLog: this.#options.refusesLog } : {}),
      onRefused: (error) => {
        this.#dropped.add(remoteKey)
        this.#options.onRefused?.(remoteKey, error)
      },
    })
    const connection = { stream, mux, remoteKey }
    this.#connections.set(stream, connection)
    stream.on('close', () => {
      this.#connections.delete(stream)
      // Once per back-off, or a peer that comes and goes would put the next look-up off for ever.
      for (const [key, entry] of this.#topics) {
        if (entry.delayMs === LOOKUP_DELAY_MS_MIN) continue
        entry.delayMs = LOOKUP_DELAY_MS_MIN
        this.#lookUpLater(key, entry, LOOKUP_DELAY_MS_MIN)
      }
    })
    this.#options.onConnection(connection)
  }

  /** Hyperswarm bounds what it dials; what it accepts is bounded here. */
  #admits(stream: NoiseSecretStream, remoteKey: KeyHex): boolean {
    if (this.#closing !== null || this.#dropped.has(remoteKey)) return false
    if (this.#connections.size >= CONNECTIONS_MAX) return false
    const host = stream.rawStream.remoteHost
    if (host === null || host === undefined || isLoopback(host)) return true
    let sameAddress = 0
    for (const other of this.#connections.keys()) if (other.rawStream.remoteHost === host) sameAddress++
    return sameAddress < CONNECTIONS_PER_ADDRESS_MAX
  }

  async #lookUp(key: string, entry: Topic): Promise<void> {
    if (this.#topics.get(key) !== entry) return
    try {
      await entry.session.refresh({ server: entry.announced, client: true })
    } catch {
      // left or destroyed meanwhile: the next line notices
    }
    if (this.#topics.get(key) !== entry) return
    const delayMs = entry.delayMs
    entry.delayMs = Math.min(delayMs * 2, LOOKUP_DELAY_MS_MAX)
    this.#lookUpLater(key, entry, delayMs)
  }

  #lookUpLater(key: string, entry: Topic, delayMs: number): void {
    if (this.#closing !== null) return
    if (entry.timer !== null) clearTimeout(entry.timer)
    entry.timer = setTimeout(
      () => {
        entry.timer = null
        if (this.#connections.size < PEERS_WANTED) void this.#lookUp(key, entry) // never rejects
        else this.#lookUpLater(key, entry, LOOKUP_DELAY_MS_MAX)
      },
      delayMs + Math.random() * LOOKUP_DELAY_MS_MIN,
    )
    entry.timer.unref()
  }

  #forget(key: string, entry: Topic): void {
    this.#topics.delete(key)
    if (entry.timer !== null) clearTimeout(entry.timer)
  }
}

/** The node is on the network at once; nothing is looked up or announced before `join`. */
export function openSwarm(options: SwarmOptions): Swarm {
  return new Swarm(options)
}
