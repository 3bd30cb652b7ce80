/**
 * The network of one session: connections, replication of logs, pieces, and who is dropped for what.
 *
 * Ties protocols/ to store/, which do not know each other: every connection is guarded, replicates the store's logs, and
 * carries a channel for the signed heads of each log. Each channel's log has a watchdog, because one silent peer would otherwise
 * hold up every update. Pieces, served from the pool, have one channel for each peer, on the TCP line to it where there is one;
 * they go and come as actors/ports/sharing.ts allows.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { FreshetError } from '../../schemas/errors.ts'
import { CATCH_UP_LOOK_MS, CATCH_UP_MS, CATCH_UP_SILENCE_MS, FETCH_GIVE_UP_MS } from '../../schemas/limits.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { isLoopbackNetwork } from '../../protocols/loopback.ts'
import { PeerSet } from '../../protocols/peers.ts'
import { openPieces } from '../../protocols/pieces.ts'
import { openSwarm } from '../../protocols/swarm.ts'
import type { Connection, Swarm } from '../../protocols/swarm.ts'
import { TcpLines } from '../../protocols/tcp-lines.ts'
import type { Line } from '../../protocols/tcp-lines.ts'
import { transfer } from '../../protocols/transfer.ts'
import { watchUpgrades } from '../../protocols/watchdog.ts'
import type { Store } from '../../store/open-store.ts'
import type { PartialArtifact, Pool } from '../../store/pool.ts'
import type { Channel } from '../channel.ts'
import type { HeadGossip } from './head-gossip.ts'
import type { MirroredFile, MirrorSources } from './mirror-sources.ts'
import { PeerGate } from './peer-gate.ts'
import type { Sharing } from './sharing.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface NetworkOptions {
  /** Nodes of a private DHT; empty: the public one. */
  readonly bootstrap: readonly HostPort[]
}

interface OpenOptions extends NetworkOptions {
  /** 0: any; null: no connections over TCP are taken. */
  readonly tcpPort: number | null
}

export type Log = (level: 'info' | 'warn', message: string) => void

export class Network {
  readonly #store: Store
  readonly #pool: Pool
  readonly #mirrors: MirrorSources
  readonly #sharing: Sharing
  readonly #log: Log
  readonly #swarm: Swarm
  readonly #lines: TcpLines
  readonly #peers = new PeerSet()
  /** What closes the piece channel of each connection. */
  readonly #pieces = new Map<Connection, () => void>()
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
    this.#pool = pool
    this.#mirrors = mirrors
    this.#sharing = sharing
    this.#log = log
    this.#swarm = openSwarm({
      keyPair,
      bootstrap: options.bootstrap,
      onConnection: (connection) => this.#connected(connection),
      refusesLog: (discoveryKey) => this.#closedLogs.has(discoveryKey),
      onRefused: (peer, error) => this.#refused(peer, error),
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
      port: options.tcpPort,
      onLine: (connection, line) => network.#carry(connection, line),
      onRefused: ({ remoteKey }, error) => {
        network.#swarm.drop(remoteKey, error)
        network.#refused(remoteKey, error)
      },
      onTrouble: ({ message }) => log('warn', `peers cannot connect over TCP: ${message}`),
    })
    const network: Network = new Network(options, keyPair, lines, store, pool, mirrors, sharing, log)
    return network
  }

  get peerCount(): number {
    return [...this.#swarm.connections].length
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
    this.#watchdogs.set(
      channel.key,
      watchUpgrades(core, {
        drop: (stream, error) => {
          if (stream.remotePublicKey !== null) this.#swarm.drop(keyHex(stream.remotePublicKey), error)
        },
      }),
    )
    const lookUp = this.#swarm
      .join(core.discoveryKey)
      .catch((error: unknown) => this.#log('warn', `${channel.name}: looking for peers failed: ${String(error)}`))
    this.#lookUps.push(lookUp)
  }

  /** Exchanges signed heads and evidence with every peer that knows the log, for as long as the network is open. */
  gossip(gossip: HeadGossip): void {
    this.#gossips.push(gossip)
    for (const { mux } of this.#swarm.connections) gossip.link(mux)
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
    const lookUp = this.#swarm.leave(discoveryKey).then(() => this.#swarm.join(discoveryKey, false))
    lookUp.catch((error: unknown) => this.#log('warn', `${channel.name}: looking for peers failed: ${String(error)}`))
  }

  /** @throws FreshetError ARTIFACT_UNAVAILABLE, DISK_FULL, IO_ERROR, INTERRUPTED; FETCH_OFF, also in the middle of it. */
  async transfer(sink: PartialArtifact, file: MirroredFile, signal: AbortSignal): Promise<void> {
    const { fetching } = this.#sharing
    fetching.throwIfAborted()
    const turn = this.#mirrors.begin(this.#peers, sink.artifact, file)
    try {
      await transfer(sink, turn.peers, {
        signal: AbortSignal.any([signal, fetching]),
        peersMs: FETCH_GIVE_UP_MS,
        onPiece: () => turn.pieceCame(),
        onShun: (peer: KeyHex, error: FreshetError) => {
          if (turn.shunned(peer, error)) return
          if (error.code === 'ARTIFACT_UNAVAILABLE') return // most peers do not have most files: no news
          const digest = sink.artifact.digest.slice(0, 8)
          this.#log('warn', `peer ${peer.slice(0, 8)} is not asked for ${digest} again: ${error.code}`)
        },
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
    this.#lines.close()
    await this.#swarm.destroy()
  }

  #connected(connection: Connection): void {
    const { stream, mux } = connection
    this.#connectedAtMs = performance.now()
    this.#store.cores.replicate(stream)
    for (const gossip of this.#gossips) gossip.link(mux)
    this.#lines.link(connection)
    stream.on('close', () => this.#pieces.delete(connection))
  }

  #refused(peer: KeyHex, error: FreshetError): void {
    this.#log('warn', `peer ${peer.slice(0, 8)}: ${error.code}: ${error.message}`)
  }

  /** The piece channel of a connection moves to `line`. */
  #carry(connection: Connection, { mux }: Line): void {
    const { stream, remoteKey } = connection
    this.#pieces.get(connection)?.()
    // A line has the address of its connection.
    const gate = new PeerGate(this.#sharing, () => stream.rawStream.remoteHost ?? null)
    const pieces = openPieces(mux, remoteKey, this.#pool, {
      gate,
      onclose: () => {
        gate.close()
        this.#peers.remove(peer)
      },
    })
    if (pieces === null) return
    const peer = gate.asking(pieces)
    this.#pieces.set(connection, () => pieces.close())
    this.#peers.add(peer)
  }
}

function isAhead({ fork, length }: Channel['log']['core']): (peer: Channel['log']['core']['peers'][number]) => boolean {
  return ({ remoteFork, remoteLength }) => remoteFork === fork && remoteLength > length
}
