/** The daemon: a node with network and gateway, the control socket that commands use, and what merges forks by itself. Runs until a signal asks it to stop. */
import { startNode } from '../actors/node.ts'
import type { Node, NodeOptions } from '../actors/node.ts'
import { controlPath } from '../protocols/control-path.ts'
import { serveControl } from '../protocols/control-server.ts'
import type { ControlServer } from '../protocols/control-server.ts'
import { startAutoMerge } from './auto-merge.ts'
import { operationsOf } from './operations.ts'

export interface Daemon {
  readonly node: Node
  close(): Promise<void>
}

/** The store's lock decides which of two daemons lives, so the socket comes after it. @throws FreshetError STORE_LOCKED, ... */
export async function startDaemon(options: NodeOptions): Promise<Daemon> {
  const node = await startNode(options)
  let control: ControlServer
  try {
    const onError = (error: Error): void => options.log?.('warn', error.message)
    control = await serveControl({ path: controlPath(options.home), operations: operationsOf(node), onError })
  } catch (error) {
    await node.close()
    throw error
  }
  const merging = startAutoMerge(node, (message) => options.log?.('warn', message))
  return {
    node,
    async close() {
      await control.close()
      await merging.close()
      await node.close()
    },
  }
}
