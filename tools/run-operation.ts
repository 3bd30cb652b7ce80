/**
 * Runs one operation: by the daemon of this home where one runs, else in this process.
 *
 * Without a daemon the node is opened just for the command; the network only for those that need peers.
 */
import { startNode } from '../actors/node.ts'
import type { Node, NodeOptions } from '../actors/node.ts'
import type { NetworkOptions } from '../actors/ports/network.ts'
import { connectControl } from '../protocols/control-client.ts'
import { controlPath } from '../protocols/control-path.ts'
import { NETWORK_OPERATIONS, operationsOf } from './operations.ts'
import type { OperationName } from './operations.ts'

export interface RunContext {
  readonly home: string
  readonly network: NetworkOptions
  readonly signal: AbortSignal
  readonly onProgress: (update: unknown) => void
  readonly onEvent: (value: unknown) => void
  readonly onLog: (message: string) => void
}

/** Several operations on one node, as `follow` needs them: register, then listen. */
export type Call = (operation: OperationName, args: object) => Promise<unknown>

export interface NodeNeeds {
  /** Where a node that is started for this command serves apt; a daemon has its own. */
  readonly gateway?: NodeOptions['gateway']
  /** Channels that the operation reads: where all of them are our own, nobody has to be asked. */
  readonly channels?: readonly string[]
}

/** @throws FreshetError of the operation, STORE_LOCKED, DAEMON_UNREACHABLE. */
export async function withNode<T>(
  context: RunContext,
  needed: OperationName,
  use: (call: Call) => Promise<T>,
  needs: NodeNeeds = {},
): Promise<T> {
  const client = await connectControl(controlPath(context.home))
  if (client !== null) {
    const { onProgress, onEvent, signal } = context
    try {
      return await use((operation, args) => client.call(operation, args, { onProgress, onEvent, signal }))
    } finally {
      await client.close()
    }
  }
  const node = await nodeFor(context, needed, needs)
  try {
    const operations = operationsOf(node)
    const io = {
      signal: context.signal,
      progress: context.onProgress,
      event: async (value: unknown): Promise<void> => context.onEvent(value),
    }
    return await use((operation, args) => operations[operation](args, io))
  } finally {
    await node.close()
  }
}

/** Without a network where that is enough: looking for peers that are not there takes seconds. */
async function nodeFor(context: RunContext, needed: OperationName, needs: NodeNeeds): Promise<Node> {
  const { home, network, onLog } = context
  const log = (_: unknown, message: string): void => onLog(message)
  const options = { home, gateway: needs.gateway ?? null, log }
  if (!NETWORK_OPERATIONS.has(needed)) return startNode({ ...options, network: null })
  if (needs.channels === undefined) return startNode({ ...options, network })
  const alone = await startNode({ ...options, network: null })
  const { channels } = alone.session
  const isOwn = (name: string): boolean =>
    channels.every((channel) => channel.role === 'publisher' || (channel.name !== name && channel.log.id !== name))
  if (needs.channels.every(isOwn)) return alone // an unknown one is unknown with a network, too
  await alone.close()
  return startNode({ ...options, network })
}
