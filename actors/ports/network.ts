/**
 * The network of one session: connections, replication of logs, pieces, and who is dropped for what.
 *
 * Ties protocols/ to store/, which do not know each other: every connection is guarded, replicates the store's logs, and
 * carries one piece channel served from the pool. Each channel's log has a watchdog, because one silent peer would otherwise
 * hold up every update.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { FreshetError } from '../../schemas/errors.ts'
import { CATCH_UP_LOOK_MS, CATCH_UP_MS, CATCH_UP_SILENCE_MS, FETCH_GIVE_UP_MS } from '../../schemas/limits.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'
import { PeerSet } from '../../protocols/peers.ts'
import { openPieces } from '../../protocols/pieces.ts'
import { openSwarm } from '../../protocols/swarm.ts'
import type { Connection, Swarm } from '../../protocols/swarm.ts'
import { transfer } from '../../protocols/transfer.ts'
import { watchUpgrades } from '../../protocols/watchdog.ts'
import type { Store } from '../../store/open-store.ts'
import type { PartialArtifact, Pool } from '../../store/pool.ts'
import type { Channel } from '../channel.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface NetworkOptions {
  /** Nodes of a private DHT; empty: the public one. */
  readonly bootstrap: readonly HostPort[]
}

type PeerView = Channel['log']['core']['peers'][number]
export type Log = (level: 'info' | 'warn', message: string) => void

export class Network {
  readonly #store: Store
  readonly #pool: Pool
  readonly #log: Log
  readonly #swarm: Swarm
  readonly #peers = new PeerSet()
  readonly #watchdogs: { stop(): void }[] = []
  /** The first look-ups and their connections, once somebody needed to wait for them. */
  #settled: Promise<void> | null = null

  private constructor(
    options: NetworkOptions,
    keyPair: { publicKey: Buffer; secretKey: Buffer },
    store: Store,
    pool: Pool,
    log: Log,
  ) {
    this.#store = store
    this.#pool = pool
    this.#log = log
    this.#swarm = openSwarm({
      keyPair,
      bootstrap: options.bootstrap,
      onConnection: (connection) => this.#connected(connection),
      onRefused: (peer, error) => log('warn', `peer ${peer.slice(0, 8)}: ${error.code}: ${error.message}`),
    })
  }

  /** The node keeps its key over restarts, so that peers recognise it. */
  static async open(options: NetworkOptions, store: Store, pool: Pool, log: Log): Promise<Network> {
    return new Network(options, await store.cores.createKeyPair('node'), store, pool, log)
  }

  get peerCount(): number {
    return [...this.#swarm.connections].length
  }

  peersOf(channel: Channel): number {
    return channel.log.core.peers.length
  }

  /** Announces this node for the channel and looks for others, for as long as the network is open. */
  join(channel: Channel): void {
    const { core } = channel.log
    this.#watchdogs.push(
      watchUpgrades(core, {
        drop: (stream, error) => {
          if (stream.remotePublicKey !== null) this.#swarm.drop(keyHex(stream.remotePublicKey), error)
        },
      }),
    )
    this.#swarm
      .join(core.discoveryKey)
      .catch((error: unknown) => this.#log('warn', `${channel.name}: looking for peers failed: ${String(error)}`))
  }

  /** @throws FreshetError ARTIFACT_UNAVAILABLE, DISK_FULL, IO_ERROR, INTERRUPTED. */
  async transfer(sink: PartialArtifact, signal: AbortSignal): Promise<void> {
    await transfer(sink, this.#peers, {
      signal,
      peersMs: FETCH_GIVE_UP_MS,
      onShun: (peer: KeyHex, error: FreshetError) =>
        this.#log(
          'warn',
          `peer ${peer.slice(0, 8)} is not asked for ${sink.artifact.digest.slice(0, 8)} again: ${error.code}`,
        ),
    })
  }

  /**
   * A publisher whose log is shorter than what a peer announces takes over the missing part before it appends. A network
   * that was just opened is given the time to find its peers. A peer that announces and does not deliver is dropped by the
   * watchdog, so a liar costs seconds, not the release.
   */
  async catchUp({ log: { core } }: Channel): Promise<void> {
    const signal = AbortSignal.timeout(CATCH_UP_MS)
    this.#settled ??= this.#swarm.settle()
    await Promise.race([this.#settled, pause(CATCH_UP_MS, undefined, { ref: false })])
    const silence = AbortSignal.timeout(CATCH_UP_SILENCE_MS)
    const isAhead = ({ remoteSynced, remoteLength, remoteFork }: PeerView): boolean =>
      remoteSynced ? remoteFork === core.fork && remoteLength > core.length : !silence.aborted
    // Hypercore has no event for what a peer announces, so this looks again.
    while (core.peers.some(isAhead) && !signal.aborted) await pause(CATCH_UP_LOOK_MS)
  }

  async close(): Promise<void> {
    for (const watchdog of this.#watchdogs) watchdog.stop()
    await this.#swarm.destroy()
  }

  #connected({ stream, mux, remoteKey }: Connection): void {
    this.#store.cores.replicate(stream)
    const pieces = openPieces(mux, remoteKey, this.#pool, {
      onclose: () => {
        if (pieces !== null) this.#peers.remove(pieces)
      },
    })
    if (pieces !== null) this.#peers.add(pieces)
  }
}
