/**
 * Runs one operation: by the daemon of this home where one runs, else in this process.
 *
 * Without a daemon the node is opened just for the command; the network only for those that need peers.
 */
import { startNode } from '../actors/node.ts'
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

/** @throws FreshetError of the operation, STORE_LOCKED, DAEMON_UNREACHABLE. */
export async function withNode<T>(
  context: RunContext,
  needed: OperationName,
  use: (call: Call) => Promise<T>,
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
  const network = NETWORK_OPERATIONS.has(needed) ? context.network : null
  const node = await startNode({ home: context.home, network, log: (_, message) => context.onLog(message) })
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
