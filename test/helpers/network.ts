/**
 * A private DHT on loopback with nodes on it, each with a home of its own; all of it goes away with the test.
 *
 * Waiting is always for something that a node shows: its status, a notification, the end of an operation.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Assert } from 'brittle'
import { type Node, startNode } from '../../actors/node.ts'
import { type LinkFacts, NO_LINK_FACTS } from '../../actors/link-policy.ts'
import type {
  ConcernNotice,
  FreshnessChange,
  Notification,
  RolloutNotice,
  WithdrawalNotice,
} from '../../actors/notifier.ts'
import type { HostPort, NetworkOptions } from '../../actors/ports/network.ts'
import type { ChannelStatus } from '../../actors/status.ts'
import { startBootstrap } from '../../protocols/bootstrap.ts'
import { type OperationName, operationsOf } from '../../tools/operations.ts'

/** Teardown: nodes first, then the network below them, then folders. */
const [NODES, NETWORK, FOLDERS] = [0, 1, 2]
const LOOK_AGAIN_MS = 10
const WAIT_MS_MAX = 30_000

export interface TestNodeOptions {
  /** Default: a new one. */
  readonly home?: string
  readonly offline?: boolean
  /** Where it looks for nodes of the local network. */
  readonly lan?: NetworkOptions['lan']
  /** The node's clock. */
  readonly now?: () => number
  /** What its machine says of power and link; default: nothing, whatever the machine of the test says. */
  readonly readFacts?: () => Promise<LinkFacts>
}

export interface TestNetwork {
  readonly bootstrap: HostPort & { destroy(): Promise<void> }
  /** `HOST:PORT`, for --bootstrap. */
  readonly address: string
  node(options?: TestNodeOptions): Promise<TestNode>
}

export async function scratchFolder(t: Assert): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'freshet-'))
  t.teardown(() => rm(path, { recursive: true, force: true }), { order: FOLDERS })
  return path
}

export async function privateNetwork(t: Assert): Promise<TestNetwork> {
  const bootstrap = await startBootstrap({ host: '127.0.0.1', port: 0 })
  t.teardown(() => bootstrap.destroy(), { order: NETWORK })
  return {
    bootstrap,
    address: `${bootstrap.host}:${bootstrap.port}`,
    async node(options = {}) {
      const node = new TestNode(
        options.home ?? (await scratchFolder(t)),
        options.offline === true ? null : { bootstrap: [bootstrap], lan: options.lan },
        options.now ?? Date.now,
        options.readFacts,
      )
      t.teardown(() => node.stop(), { order: NODES })
      await node.start()
      return node
    },
  }
}

export class TestNode {
  readonly home: string
  /** What this node announced since the test began, over restarts. */
  readonly notifications: Notification[] = []
  readonly freshness: FreshnessChange[] = []
  readonly withdrawals: WithdrawalNotice[] = []
  readonly halts: RolloutNotice[] = []
  readonly concerns: ConcernNotice[] = []
  readonly warnings: string[] = []
  readonly #network: NetworkOptions | null
  readonly #now: () => number
  readonly #readFacts: () => Promise<LinkFacts>
  #node: Node | null = null

  constructor(
    home: string,
    network: NetworkOptions | null,
    now: () => number = Date.now,
    readFacts: () => Promise<LinkFacts> = async () => NO_LINK_FACTS,
  ) {
    this.home = home
    this.#network = network
    this.#now = now
    this.#readFacts = readFacts
  }

  get node(): Node {
    if (this.#node === null) throw new Error(`the node of ${this.home} is not running`)
    return this.#node
  }

  get gateway(): string {
    return this.node.gateway?.url ?? ''
  }

  async start(): Promise<void> {
    this.#node = await startNode({
      home: this.home,
      network: this.#network,
      gateway: { host: '127.0.0.1', port: 0 },
      now: this.#now,
      readFacts: this.#readFacts,
      log: (level, message) => level === 'warn' && this.warnings.push(message),
    })
    this.#node.onNotification((event) => {
      if (event.event === 'release') this.notifications.push(event)
      else if (event.event === 'withdrawn') this.withdrawals.push(event)
      else if (event.event === 'advisory') this.concerns.push(event)
      else if ('validUntil' in event) this.freshness.push(event)
      else this.halts.push(event)
    })
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#node = null
    await node?.close()
  }

  /** An operation of the command line. */
  async call<Result>(operation: OperationName, args: object = {}): Promise<Result> {
    const io = { signal: new AbortController().signal, progress: () => {}, event: async () => {} }
    return (await operationsOf(this.node)[operation](args, io)) as Result
  }

  async createChannel(name: string): Promise<string> {
    return (await this.call<{ id: string }>('channel.create', { name })).id
  }

  async importDebs(channel: string, directory: string): Promise<ImportedRelease> {
    return this.call('import', { channel, source: { kind: 'deb-dir', directory } })
  }

  status(channel: string): ChannelStatus {
    const found = this.node.status().channels.find(({ name, id }) => name === channel || id === channel)
    if (found === undefined) throw new Error(`this node has no channel ${channel}`)
    return found
  }

  /** Resolves when `holds` does. @throws with the node's status when it does not in time. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineAtMs = performance.now() + WAIT_MS_MAX
    while (!(await holds())) {
      if (performance.now() > deadlineAtMs) {
        throw new Error(
          `waited in vain until ${what}: ${JSON.stringify(this.node.status())} ${this.warnings.join('; ')}`,
        )
      }
      await pause(LOOK_AGAIN_MS)
    }
  }

  /** Resolves when this node serves release `number` of the channel. */
  async serves(channel: string, number: number): Promise<void> {
    await this.until(`release ${number} is served`, () => this.status(channel).release >= number)
  }

  /** Resolves with what this node announced about release `number`. */
  async announced(number: number): Promise<Notification> {
    const find = (): Notification | undefined => this.notifications.find(({ release }) => release === number)
    await this.until(`release ${number} is announced`, () => find() !== undefined)
    return find() as Notification
  }
}

export interface ImportedRelease {
  readonly release: number
  readonly added: number
  readonly removed: number
  readonly bytes: number
  readonly artifacts: number
}

export interface SnapshotView {
  readonly release: number
  readonly packages: number
  readonly indexes: readonly { readonly path: string; readonly size: number; readonly sha256: string }[]
}
