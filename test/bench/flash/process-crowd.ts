/** A crowd of one process per node: their usage and their end. */
import type { Network } from './network.ts'
import type { NodeProcess, ProcessPlace, Usage } from './node-process.ts'

/** The slowest engine, a plain server, takes minutes. */
const WAIT_MS_MAX = 1_200_000

export class ProcessCrowd {
  readonly network: Network
  readonly folder: string
  readonly waitMsMax = WAIT_MS_MAX
  readonly #processes = new Map<number, NodeProcess>()

  constructor(network: Network, folder: string) {
    this.network = network
    this.folder = folder
  }

  place(node: number): ProcessPlace {
    return { network: this.network, node, folder: this.folder }
  }

  add(node: number, added: NodeProcess): NodeProcess {
    this.#processes.set(node, added)
    return added
  }

  process(node: number): NodeProcess {
    const found = this.#processes.get(node)
    if (found === undefined) throw new Error(`nothing runs on node ${node}`)
    return found
  }

  usage(node: number): Usage | null {
    return this.#processes.get(node)?.usage() ?? null
  }

  async kill(node: number): Promise<void> {
    await this.#processes.get(node)?.kill()
    this.#processes.delete(node)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((one) => one.kill()))
  }
}
