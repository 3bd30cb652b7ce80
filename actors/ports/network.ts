/**
 * The network of one session: connections, replication of logs, the exchange of files, and who is dropped for what.
 *
 * Ties protocols/ to store/, which do not know each other: every connection is guarded, replicates the store's logs, and
 * carries a channel for the signed heads of each log. Each channel's log has a watchdog, because one silent peer would otherwise
 * hold up every update. Files have one channel of exchange for each peer, on the TCP line to it where there is one; they go and
 * come as actors/ports/sharing.ts allows.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { FreshetError } from '../../schemas/errors.ts'
import { CATCH_UP_LOOK_MS, CATCH_UP_MS, CATCH_UP_SILENCE_MS, FETCH_GIVE_UP_MS } from '../../schemas/limits.ts'
import type { NodeConfig } from '../../schemas/node-config.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { type BundleLog, Exchanges } from '../../protocols/exchanges.ts'
import { type ExchangeLine, openExchangeLine } from '../../protocols/exchange-line.ts'
import type { GuardedMux } from '../../protocols/guard.ts'
import { isLanAddress } from '../../protocols/lan-address.ts'
import { LanDiscovery } from '../../protocols/lan/lan-discovery.ts'
import type { FetchTally } from '../../protocols/fetch-tally.ts'
import type { FetchOptions } from '../../protocols/file-fetch.ts'
import { isLoopbackNetwork } from '../../protocols/loopback.ts'
import { openSwarm } from '../../protocols/swarm.ts'
import type { Connection, Swarm } from '../../protocols/swarm.ts'
import { TcpLines } from '../../protocols/tcp-lines.ts'
import type { Line } from '../../protocols/tcp-lines.ts'
import { watchUpgrades } from '../../protocols/watchdog.ts'
import type { WatchdogOptions } from '../../protocols/watchdog.ts'
import type { Store } from '../../store/open-store.ts'
import type { PartialArtifact, Pool } from '../../store/pool.ts'
import type { Channel } from '../channel.ts'
import type { HeadGossip } from './head-gossip.ts'
import type { MirroredFile, MirrorSources } from './mirror-sources.ts'
import type { Sharing } from './sharing.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface NetworkOptions {
  /** Nodes of a private DHT; empty: the public one. */
  readonly bootstrap: readonly HostPort[]
  /** Where nodes of the local network are looked for; default: on every private interface, and not at all for a DHT on loopback. */
  readonly lan?: { readonly hosts: readonly string[]; readonly mdnsPort: number } | undefined
}

/** Where a file is named, and where mirrors have it. */
export interface FetchedFrom {
  readonly channel: Channel
  /** Position of the block that holds its stanza. */
  readonly block: number
  readonly mirrored: MirroredFile
}

interface OpenOptions extends NetworkOptions {
  readonly config: NodeConfig
}

export type Log = (level: 'info' | 'warn', message: string) => void

export class Network {
  readonly #store: Store
  readonly #mirrors: MirrorSources
  readonly #sharing: Sharing
  readonly #log: Log
  readonly #swarm: Swarm
  readonly #exchanges: Exchanges
  /** Those that are neither stopped nor unknown, by discovery key in hex. */
  readonly #channels = new Map<string, Channel>()
  readonly #lines: TcpLines
  readonly #lan: LanDiscovery
  /** The exchange with the peer of each connection. */
  readonly #exchangeLines = new Map<Connection, ExchangeLine>()
  /** What carries files, beside connections or one with them. */
  readonly #bulk = new Set<GuardedMux>()
  readonly #watchdogs = new Map<KeyHex, { stop(): void }>()
  readonly #gossips: HeadGossip[] = []
  /** Discovery keys of logs that are neither given nor taken. */
  readonly #closedLogs = new Set<string>()
  /** First look-ups: they end whether or not anybody was found. */
  readonly #lookUps: Promise<void>[] = []
  /** All of them and the connections that they led to, once somebody needed to wait for that. */
  #settled: Promise<void> | null = null
  #connectedAtMs = Number.NEGATIVE_INFINITY

  private constructor(
    options: NetworkOptions,
    keyPair: { publicKey: Buffer; secretKey: Buffer },
    lines: TcpLines,
    store: Store,
    pool: Pool,
    mirrors: MirrorSources,
    sharing: Sharing,
    log: Log,
  ) {
    this.#lines = lines
    this.#store = store
    this.#mirrors = mirrors
    this.#sharing = sharing
    this.#log = log
    this.#exchanges = new Exchanges({
      log: (discoveryKey) => this.#logOf(discoveryKey),
      source: pool,
      upload: sharing.upload,
      download: sharing.download,
      onFault: (error) => log('warn', `a file cannot be given to peers: ${error.code}: ${error.message}`),
    })
    this.#swarm = openSwarm({
      keyPair,
      bootstrap: options.bootstrap,
      onConnection: (connection) => this.#connected(connection),
      refusesLog: (discoveryKey) => this.#closedLogs.has(discoveryKey),
      onRefused: (peer, error) => this.#refused(peer, error),
    })
    this.#lan = new LanDiscovery({
      nodeKey: keyPair.publicKey,
      port: () => this.#swarm.port,
      channelKeys: () => [...this.#channels.values()].map(({ key }) => Buffer.from(key, 'hex')),
      onFound: ({ nodeKey, channelKey }, endpoint) => {
        const channel = [...this.#channels.values()].find(({ key }) => key === keyHex(channelKey))
        if (channel !== undefined) this.#swarm.found(nodeKey, endpoint, channel.log.core.discoveryKey)
      },
      onTrouble: ({ message }) => log('warn', `nodes of the local network are not found: ${message}`),
      ...(options.lan ?? (isLoopbackNetwork(options.bootstrap) ? { hosts: [] } : {})),
    })
  }

  /** The node keeps its key over restarts, so that peers recognise it. */
  static async open(
    options: OpenOptions,
    store: Store,
    pool: Pool,
    mirrors: MirrorSources,
    sharing: Sharing,
    log: Log,
  ): Promise<Network> {
    const keyPair = await store.cores.createKeyPair('node')
    const lines = await TcpLines.open({
      keyPair,
      host: isLoopbackNetwork(options.bootstrap) ? '127.0.0.1' : '0.0.0.0',
      port: options.config['tcp-port'],
      onLine: (connection, line) => network.#carry(connection, line),
      onRefused: ({ remoteKey }, error) => {
        network.#swarm.drop(remoteKey, error)
        network.#refused(remoteKey, error)
      },
      onTrouble: ({ message }) => log('warn', `peers cannot connect over TCP: ${message}`),
    })
    const network: Network = new Network(options, keyPair, lines, store, pool, mirrors, sharing, log)
    network.configure(options.config)
    return network
  }

  /** What of the config holds from now on. */
  configure(config: NodeConfig): void {
    this.#lan.turn(config['lan-discovery'] === 'on')
  }

  get peerCount(): number {
    return [...this.#swarm.connections].length
  }

  /** Of them those of the local network. */
  get lanPeerCount(): number {
    return [...this.#swarm.connections].filter(({ stream }) => isNear(stream.rawStream.remoteHost ?? null)).length
  }

  /** Of them those that files go to and come from over TCP. */
  get tcpPeerCount(): number {
    return this.#lines.tcpCount
  }

  peersOf(channel: Channel): number {
    return channel.log.core.peers.length
  }

  /** Announces this node for the channel and looks for others, for as long as the network is open. */
  join(channel: Channel): void {
    const { core } = channel.log
    this.#channels.set(core.discoveryKey.toString('hex'), channel)
    this.#watch(channel.key, core)
    channel.metadata.onLog((log) => this.#watch(log.key, log.core))
    const lookUp = this.#swarm
      .join(core.discoveryKey)
      .catch((error: unknown) => this.#log('warn', `${channel.name}: looking for peers failed: ${String(error)}`))
    this.#lookUps.push(lookUp)
    void this.#swarm.bound().then(
      () => this.#lan.changed(),
      () => {},
    ) // else the look-up above says why
  }

  /** One silent peer must not hold up what is new in a log. */
  #watch(key: KeyHex, core: Parameters<typeof watchUpgrades>[0]): void {
    this.#watchdogs.get(key)?.stop()
    const drop: WatchdogOptions['drop'] = (stream, error) => {
      if (stream.remotePublicKey !== null) this.#swarm.drop(keyHex(stream.remotePublicKey), error)
    }
    this.#watchdogs.set(key, watchUpgrades(core, { drop }))
  }

  /** Exchanges signed heads and evidence with every peer that knows the log, for as long as the network is open. */
  gossip(gossip: HeadGossip): void {
    this.#gossips.push(gossip)
    for (const { mux } of this.#swarm.connections) gossip.link(mux)
    for (const mux of this.#bulk) gossip.link(mux)
  }

  /**
   * Neither announces nor replicates the channel from now on. Connections stay up, and whoever still announces it is looked for:
   * they are to be told why.
   */
  stop(channel: Channel): void {
    const { key, log } = channel
    this.#watchdogs.get(key)?.stop()
    this.#watchdogs.delete(key)
    for (const discoveryKey of log.discoveryKeys) {
      this.#closedLogs.add(discoveryKey.toString('hex'))
      for (const { mux } of this.#swarm.connections) mux.closeLog(discoveryKey)
    }
    const { discoveryKey } = log.core
    this.#channels.delete(discoveryKey.toString('hex'))
    this.#lan.changed()
    const lookUp = this.#swarm.leave(discoveryKey).then(() => this.#swarm.join(discoveryKey, false))
    lookUp.catch((error: unknown) => this.#log('warn', `${channel.name}: looking for peers failed: ${String(error)}`))
  }

  /**
   * Brings one file into `sink`, from peers and mirrors.
   * @throws FreshetError ARTIFACT_UNAVAILABLE, DISK_FULL, IO_ERROR, INTERRUPTED; FETCH_OFF, also in the middle of it.
   */
  async fetch(
    sink: PartialArtifact,
    { channel, block, mirrored }: FetchedFrom,
    tally: FetchTally,
    signal: AbortSignal,
  ): Promise<void> {
    const { fetching } = this.#sharing
    fetching.throwIfAborted()
    const turn = this.#mirrors.begin(sink.artifact.digest, mirrored, tally, () => this.#exchanges.newLine())
    const options: FetchOptions = {
      signal: AbortSignal.any([signal, fetching]),
      patienceMs: FETCH_GIVE_UP_MS,
      tally,
      onLook: (look, nowMs) => turn.look(look, nowMs),
      onUseful: (byteLength, nowMs) => turn.useful(byteLength, nowMs),
    }
    try {
      await logReaches(channel, block, options.signal)
      await this.#exchanges.fetch(bundleLog(channel), block, sink, options, (bundle, file) => {
        tally.named()
        turn.use(bundle, file)
      })
    } catch (error) {
      throw fetching.aborted ? fetching.reason : error
    } finally {
      turn.end()
    }
  }

  /**
   * A publisher whose log is shorter than what a peer announces takes over the missing part before it appends. A network
   * that was just opened is given the time to find its peers. A peer that announces and does not deliver is dropped by the
   * watchdog, so a liar costs seconds, not the release; one that comes back under ever new keys can hold a release up, which is
   * better than a log that contradicts itself for ever.
   * @throws FreshetError PUBLISH_BEHIND
   */
  async catchUp({ name, log: { core } }: Channel): Promise<void> {
    const signal = AbortSignal.timeout(CATCH_UP_MS)
    this.#settled ??= Promise.all(this.#lookUps).then(() => this.#swarm.settle())
    await Promise.race([this.#settled, pause(CATCH_UP_MS, undefined, { ref: false })])
    // Hypercore has no event for what a peer announces, so this looks again.
    while ((this.#isUnheard(core) || core.peers.some(isAhead(core))) && !signal.aborted) await pause(CATCH_UP_LOOK_MS)
    const ahead = core.peers.filter(isAhead(core)).map(({ remoteLength }) => remoteLength)
    if (ahead.length === 0) return
    const longest = Math.max(...ahead)
    const message = `${name} has ${core.length} blocks here, and a peer announces ${longest} that did not arrive yet`
    throw new FreshetError('PUBLISH_BEHIND', message, { length: core.length, announced: longest })
  }

  /** Whether somebody who has just connected has not said yet what they have of this log, if they know it at all. */
  #isUnheard({ peers }: Channel['log']['core']): boolean {
    if (performance.now() - this.#connectedAtMs > CATCH_UP_SILENCE_MS) return false
    return peers.length < this.peerCount || peers.some(({ remoteSynced }) => !remoteSynced)
  }

  async close(): Promise<void> {
    for (const watchdog of this.#watchdogs.values()) watchdog.stop()
    this.#lan.close()
    this.#exchanges.close()
    this.#lines.close()
    await this.#swarm.destroy()
  }

  #connected(connection: Connection): void {
    const { stream, mux } = connection
    this.#connectedAtMs = performance.now()
    this.#store.cores.replicate(stream)
    for (const gossip of this.#gossips) gossip.link(mux)
    this.#lines.link(connection)
    const host = stream.rawStream.remoteHost ?? null
    stream.on('close', () => {
      this.#exchangeLines.delete(connection)
      if (isNear(host)) this.#lan.lost()
    })
  }

  #refused(peer: KeyHex, error: FreshetError): void {
    this.#log('warn', `peer ${nameOfPeer(peer)}: ${error.code}: ${error.message}`)
  }

  /** The exchange with the peer of a connection moves to `mux`. */
  #carry(connection: Connection, { mux }: Line): void {
    const { stream, remoteKey } = connection
    this.#exchangeLines.get(connection)?.close()
    // Heads go both ways to a peer: what files keep on their way is bounded by the time that it waits, and a datagram may be lost.
    this.#bulk.add(mux)
    mux.stream.once('close', () => this.#bulk.delete(mux))
    for (const gossip of this.#gossips) gossip.link(mux)
    // A line has the address of its connection.
    const host = (): string | null => stream.rawStream.remoteHost ?? null
    const line = openExchangeLine(mux, this.#exchanges, {
      id: this.#exchanges.newLine(),
      key: remoteKey,
      source: { kind: isNear(host()) ? 'lan' : 'peer', name: nameOfPeer(remoteKey) },
      mayReceive: () => this.#sharing.maySend(host()),
      onSent: (byteLength) => this.#sharing.count(host(), byteLength, 0),
      onCame: (byteLength) => this.#sharing.count(host(), 0, byteLength),
      onBlame: (error) => {
        this.#refused(remoteKey, error)
        this.#swarm.drop(remoteKey, error)
      },
      onClose: () => {
        if (line !== null) this.#exchanges.remove(line)
      },
    })
    if (line === null) return
    this.#exchangeLines.set(connection, line)
    this.#exchanges.add(line)
  }

  #logOf(discoveryKey: Buffer): BundleLog | null {
    const channel = this.#channels.get(discoveryKey.toString('hex'))
    return channel === undefined ? null : bundleLog(channel)
  }
}

/** After a restart a wish may be taken up before the log that it is named in is here. Waits no longer than for a peer. */
async function logReaches({ history }: Channel, block: number, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + FETCH_GIVE_UP_MS
  while ((history.newest?.block ?? 0) < block && performance.now() < untilMs) {
    await pause(CATCH_UP_LOOK_MS, undefined, { signal })
  }
}

/** As people are told of it. */
function nameOfPeer(key: KeyHex): string {
  return key.slice(0, 8)
}

/** @param host null: not known. */
function isNear(host: string | null): boolean {
  return host !== null && isLanAddress(host)
}

function bundleLog(channel: Channel): BundleLog {
  return {
    discoveryKey: channel.log.core.discoveryKey,
    isOrigin: channel.role === 'publisher',
    describe: (place, isLocal) => channel.bundle(place, { local: isLocal }),
  }
}

function isAhead({ fork, length }: Channel['log']['core']): (peer: Channel['log']['core']['peers'][number]) => boolean {
  return ({ remoteFork, remoteLength }) => remoteFork === fork && remoteLength > length
}
