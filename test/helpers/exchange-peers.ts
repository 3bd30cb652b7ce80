/** Nodes that exchange bundles over real sockets: honest ones, ones whose files are wrong, and ones that speak the frames without the rules. */
import { join } from 'node:path'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Artifact } from '../../schemas/artifact.ts'
import { cutBundles } from '../../schemas/bundle-files.ts'
import type { FreshetError } from '../../schemas/errors.ts'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { keyHex, type KeyHex } from '../../schemas/units.ts'
import { exchangeProtocol } from '../../protocols/exchange-frames.ts'
import { openExchangeLine } from '../../protocols/exchange-line.ts'
import { type BundleLog, Exchanges, type ExchangesOptions } from '../../protocols/exchanges.ts'
import { FetchTally } from '../../protocols/fetch-tally.ts'
import type { FetchOptions, PieceSink } from '../../protocols/file-fetch.ts'
import { guardConnection, type GuardedMux } from '../../protocols/guard.ts'
import { RateLimit } from '../../protocols/rate-limit.ts'
import type { ArtifactSource, SharedBundle } from '../../protocols/shared-bundle.ts'
import type { MirrorTurn } from '../../actors/ports/mirror-sources.ts'
import type { Pool } from '../../store/pool.ts'
import { tcpPair } from './connections.ts'
import { codeOf, type Fixture, openPool, type Scope, temporaryFolder } from './pool-fixtures.ts'

export const DISCOVERY_KEY = Buffer.alloc(32, 7)

export const NOTHING: ArtifactSource = {
  held: () => null,
  layer: () => Promise.resolve(null),
  read: () => Promise.reject(new Error('nothing is held')),
}

/** A log each of whose blocks names some files. */
export function logOf(blocks: readonly (readonly Artifact[])[], isOrigin = false): BundleLog {
  const parts = blocks.map((files) => cutBundles(files))
  return {
    discoveryKey: DISCOVERY_KEY,
    isOrigin,
    describe: async ({ block, part }) => parts[block]?.[part] ?? null,
  }
}

export interface Node {
  readonly exchanges: Exchanges
  readonly log: BundleLog
  readonly faults: FreshetError[]
  /** Bytes of blocks that came, by the key of who sent them. */
  readonly came: Map<KeyHex, number>
  readonly blamed: Map<KeyHex, string>
  readonly refused: FreshetError[]
  sentBytes: number
  maySend: boolean
}

export function nodeOf(
  t: Scope,
  log: BundleLog,
  source: ArtifactSource,
  options: Partial<Pick<ExchangesOptions, 'upload' | 'download' | 'now'>> = {},
): Node {
  const faults: FreshetError[] = []
  const exchanges = new Exchanges({
    log: (discoveryKey) => (discoveryKey.equals(DISCOVERY_KEY) ? log : null),
    source,
    upload: new RateLimit(null),
    download: new RateLimit(null),
    onFault: (error) => faults.push(error),
    ...options,
  })
  t.teardown(() => exchanges.close())
  return { exchanges, log, faults, came: new Map(), blamed: new Map(), refused: [], sentBytes: 0, maySend: true }
}

/** A stream end of a node. Whom it blames it drops, as the network does. */
export function attach(node: Node, stream: NoiseSecretStream): GuardedMux {
  const { exchanges } = node
  const key = keyHex(stream.remotePublicKey as Buffer)
  const mux = guardConnection(stream, { onRefused: (error) => node.refused.push(error), notReadingMs: 500 })
  const line = openExchangeLine(mux, exchanges, {
    id: exchanges.newLine(),
    key,
    source: { kind: 'peer', name: 'peer' },
    mayReceive: () => node.maySend,
    onSent: (byteLength) => (node.sentBytes += byteLength),
    onCame: (byteLength) => node.came.set(key, (node.came.get(key) ?? 0) + byteLength),
    onBlame: (error) => {
      node.blamed.set(key, error.code)
      stream.destroy()
    },
    onClose: () => {
      if (line !== null) exchanges.remove(line)
    },
  })
  if (line === null) throw new Error('the channel is open already')
  exchanges.add(line)
  return mux
}

export interface Connected {
  /** Of the stream end at the first node. */
  readonly stream: NoiseSecretStream
  /** Of the second node, as the first sees it. */
  readonly key: KeyHex
  readonly far: GuardedMux
}

export async function connect(t: Scope, a: Node, b: Node | ((mux: GuardedMux) => void)): Promise<Connected> {
  const [near, other] = await tcpPair()
  t.teardown(() => (near.destroy(), other.destroy()))
  let far: GuardedMux
  if (typeof b === 'function') b((far = guardConnection(other, { notReadingMs: 60_000 })))
  else far = attach(b, other)
  attach(a, near)
  return { stream: near, key: keyHex(near.remotePublicKey as Buffer), far }
}

type Session = NonNullable<ReturnType<typeof exchangeProtocol.open>>
type Handlers = Parameters<typeof exchangeProtocol.open>[1]['on']

const FRAMES =
  'open close decline want have hand expect ask askWithLeaves cancel refuse leaves block got askLayer layer ping pong'

/** Speaks the frames without the rules. */
export function hostileSession(mux: GuardedMux, on: Partial<Handlers>): Session {
  const all = Object.fromEntries(FRAMES.split(' ').map((name) => [name, () => undefined])) as unknown as Handlers
  const session = exchangeProtocol.open(mux, { on: { ...all, ...on } })
  if (session === null) throw new Error('the channel is open already')
  return session
}

export function hostile(on: (session: () => Session) => Partial<Handlers>): (mux: GuardedMux) => void {
  return (mux) => {
    const session: Session = hostileSession(
      mux,
      on(() => session),
    )
  }
}

export async function poolWith(t: Scope, ...files: Fixture[]): Promise<Pool> {
  const pool = await openPool(t, join(await temporaryFolder(t), 'pool'))
  for (const { artifact, layer, bytes } of files) {
    const partial = await pool.begin(artifact)
    if (layer.byteLength > 0) await partial.acceptLayer(layer)
    for (let piece = 0; piece < partial.pieces; piece++) {
      await partial.write(piece, bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES))
    }
    if (!(await partial.complete())) throw new Error('the fixture is wrong')
    await partial.close()
  }
  return pool
}

export interface Run {
  readonly outcome: Promise<string>
  readonly controller: AbortController
}

export interface RunOptions {
  readonly block?: number
  readonly patienceMs?: number
  readonly turn?: Pick<MirrorTurn, 'use' | 'look' | 'useful'>
  readonly tally?: FetchTally
  readonly wrap?: (sink: PieceSink) => PieceSink
}

/** Brings one file into `pool`. */
export async function fetchInto(
  t: Scope,
  node: Node,
  pool: Pool,
  artifact: Artifact,
  options: RunOptions = {},
): Promise<Run> {
  const sink = await pool.begin(artifact)
  t.teardown(() => sink.close(), { order: -2 })
  const controller = new AbortController()
  const fetchOptions: FetchOptions = {
    signal: controller.signal,
    patienceMs: options.patienceMs ?? 10_000,
    tally: options.tally ?? new FetchTally(Date.now),
    onLook: (look, nowMs) => options.turn?.look(look, nowMs),
    onUseful: (byteLength, nowMs) => options.turn?.useful(byteLength, nowMs),
  }
  const { wrap = (same: PieceSink) => same, block = 0 } = options
  const use = (bundle: SharedBundle, file: number): void => options.turn?.use(bundle, file)
  const outcome = codeOf(node.exchanges.fetch(node.log, block, wrap(sink), fetchOptions, use))
  return { outcome, controller }
}
