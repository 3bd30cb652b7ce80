/** Two or more nodes with TCP lines between them, over a private DHT on loopback: swarm, lines and exchange, and nothing else of a node. */
import type { Assert } from 'brittle'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { KeyPair } from '@hyperswarm/secret-stream'
import type { Artifact } from '../../schemas/artifact.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import { startBootstrap } from '../../protocols/bootstrap.ts'
import type { LineTimes } from '../../protocols/peer-lines.ts'
import { type ExchangeLine, openExchangeLine } from '../../protocols/exchange-line.ts'
import type { ArtifactSource } from '../../protocols/shared-bundle.ts'
import { openSwarm, type Connection, type Swarm } from '../../protocols/swarm.ts'
import { TcpLines, type Line } from '../../protocols/tcp-lines.ts'
import { until } from './connections.ts'
import { logOf, type Node, nodeOf, NOTHING } from './exchange-peers.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface LineEnd {
  readonly keyPair: KeyPair
  readonly swarm: Swarm
  readonly lines: TcpLines
  readonly connections: Connection[]
  /** What was said to carry bulk, in order. */
  readonly carriers: Line[]
  /** Why peers were refused, for what they did on a line or on the connection. */
  readonly refusals: FreshetError[]
  readonly troubles: FreshetError[]
  readonly node: Node
}

export interface LineEndOptions {
  readonly keyPair?: KeyPair
  /** Default: any; null: does not listen. */
  readonly port?: number | null
  readonly times?: Partial<LineTimes>
  readonly source?: ArtifactSource
  readonly onCame?: (byteLength: number) => void
  /** Files of the one bundle that there is. */
  readonly artifacts?: readonly Artifact[]
}

export async function dhtOnLoopback(t: Assert): Promise<HostPort> {
  const node = await startBootstrap({ host: '127.0.0.1', port: 0 })
  t.teardown(() => node.destroy(), { order: 1 })
  return { host: node.host, port: node.port }
}

/** The one that decides first. */
export function sortedKeyPairs(): [KeyPair, KeyPair] {
  const [one, other] = [NoiseSecretStream.keyPair(), NoiseSecretStream.keyPair()]
  return Buffer.compare(one.publicKey, other.publicKey) < 0 ? [one, other] : [other, one]
}

export async function lineEnd(t: Assert, bootstrap: HostPort, options: LineEndOptions = {}): Promise<LineEnd> {
  const { keyPair = NoiseSecretStream.keyPair(), port = 0, times = {}, source = NOTHING, artifacts = [] } = options
  const seen = {
    connections: [] as Connection[],
    carriers: [] as Line[],
    refusals: [] as FreshetError[],
    troubles: [] as FreshetError[],
  }
  const node = nodeOf(t, logOf([[], artifacts]), source)
  const open = new Map<Connection, ExchangeLine>()
  const lines = await TcpLines.open({
    keyPair,
    host: '127.0.0.1',
    port,
    times,
    onLine(connection, line) {
      seen.carriers.push(line)
      open.get(connection)?.close()
      const exchange = openExchangeLine(line.mux, node.exchanges, {
        id: node.exchanges.newLine(),
        key: connection.remoteKey,
        source: { kind: 'peer', name: 'peer' },
        mayReceive: () => true,
        onSent: () => {},
        onCame: (byteLength) => options.onCame?.(byteLength),
        onBlame: (error) => seen.refusals.push(error),
        onClose: () => exchange && node.exchanges.remove(exchange),
      })
      if (exchange === null) throw new Error('an exchange is open on this mux already')
      open.set(connection, exchange)
      node.exchanges.add(exchange)
    },
    onRefused(connection, error) {
      seen.refusals.push(error)
      swarm.drop(connection.remoteKey, error)
    },
    onTrouble: (error) => seen.troubles.push(error),
  })
  const swarm = openSwarm({
    keyPair,
    bootstrap: [bootstrap],
    onConnection(connection) {
      seen.connections.push(connection)
      lines.link(connection)
    },
    onRefused: (_peer, error) => seen.refusals.push(error),
  })
  t.teardown(async () => {
    lines.close()
    await swarm.destroy()
  })
  return { keyPair, swarm, lines, node, ...seen }
}

export const TOPIC = Buffer.alloc(32, 9)
/** So long that what waits for it never happens in a test. */
export const NEVER_MS = 3_600_000

export async function joinAll(
  ...ends: readonly { readonly swarm: { join(topic: Buffer): Promise<void> } }[]
): Promise<void> {
  await Promise.all(ends.map(({ swarm }) => swarm.join(TOPIC)))
}

/** The decider first. */
export async function pair(t: Assert, decider: LineEndOptions, follower: LineEndOptions): Promise<[LineEnd, LineEnd]> {
  const bootstrap = await dhtOnLoopback(t)
  const [small, large] = sortedKeyPairs()
  const ends: [LineEnd, LineEnd] = [
    await lineEnd(t, bootstrap, { keyPair: small, ...decider }),
    await lineEnd(t, bootstrap, { keyPair: large, ...follower }),
  ]
  await joinAll(...ends)
  return ends
}

/** Resolves when the newest connection of each end has something that carries its pieces, and that is of this kind. */
export async function carriedBy(tcp: boolean, ...ends: readonly LineEnd[]): Promise<void> {
  await until(() => ends.every(({ carriers }) => carriers.at(-1)?.tcp === tcp))
}
