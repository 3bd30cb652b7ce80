/** One machine of the demo: a node with a home, a network and a gateway of its own, and what it was told so far. */
import { once, EventEmitter } from 'node:events'
import { type Node, startNode } from '../../actors/node.ts'
import type { Notification } from '../../actors/notifier.ts'
import type { HostPort } from '../../actors/ports/network.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { type OperationName, operationsOf } from '../operations.ts'
import { eventLine } from '../output.ts'
import type { Narrator } from './narrator.ts'
import type { Stage } from './stage.ts'

export interface Told {
  readonly notification: Notification
  readonly atMs: number
}

export interface Setting {
  readonly stage: Stage
  readonly narrator: Narrator
  readonly bootstrap: HostPort
}

export class DemoNode {
  readonly name: string
  readonly #setting: Setting
  readonly #told: Told[] = []
  readonly #events = new EventEmitter()
  #node: Node | null = null

  private constructor(name: string, setting: Setting) {
    this.name = name
    this.#setting = setting
  }

  /** `announces`: its notifications are lines of the demo. */
  static async start(name: string, setting: Setting, announces: boolean): Promise<DemoNode> {
    const { stage, narrator, bootstrap } = setting
    const demoNode = new DemoNode(name, setting)
    const node = await startNode({
      home: await stage.subfolder(`home-${name}`),
      network: { bootstrap: [bootstrap] },
      gateway: { host: '127.0.0.1', port: 0 },
      log: (level, message) => {
        if (level === 'warn') narrator.say(name, `warning: ${message}`)
      },
    })
    demoNode.#node = node
    stage.onClose(() => demoNode.stop())
    stage.signal.throwIfAborted()
    node.onNotification((notification) => {
      if (notification.event !== 'release') return
      demoNode.#told.push({ notification, atMs: performance.now() })
      if (announces) narrator.say(name, `told: ${eventLine(notification)}`)
      demoNode.#events.emit('told')
    })
    return demoNode
  }

  get running(): boolean {
    return this.#node !== null
  }

  get gatewayUrl(): string {
    return this.#open().gateway?.url ?? ''
  }

  /** Connections over which the channel's log is replicated. */
  peersOf(channel: string): number {
    return this.#open()
      .status()
      .channels.filter(({ name }) => name === channel)
      .reduce((sum, { peers }) => sum + peers, 0)
  }

  holds(digest: DigestHex): boolean {
    return this.#node !== null && this.#node.session.pool.held(digest) !== null
  }

  /** An operation of the command line, as its `--json` result. */
  async call<Result>(operation: OperationName, args: object): Promise<Result> {
    const { signal } = this.#setting.stage
    const io = { signal, progress: () => {}, event: async () => {} }
    return (await operationsOf(this.#open())[operation](args, io)) as Result
  }

  /** Resolves when this node has been told of release `number`. */
  async told(number: number): Promise<Told> {
    for (;;) {
      const found = this.#told.find(({ notification }) => notification.release === number)
      if (found !== undefined) return found
      await once(this.#events, 'told', { signal: this.#setting.stage.signal })
    }
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#node = null
    await node?.close()
  }

  #open(): Node {
    if (this.#node === null) throw new Error(`${this.name} is not running`)
    return this.#node
  }
}
