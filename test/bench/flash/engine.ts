/**
 * What is compared: one way to bring files to a crowd.
 *
 * Node 0 is the origin, 1 and up are receivers, and the last node of the network is nobody's: a tracker or a bootstrap
 * node may run there. Everything begins at one moment: what can be ready before it is.
 */
import type { FileSet } from './files.ts'
import type { Network } from './network.ts'
import type { Usage } from './node-process.ts'

export interface Engine {
  /** A sentence when something is missing on this machine. */
  missing(): string | null
  /** More repeats show nothing new. */
  readonly repeatsMax?: number
  /** What all runs with these files have in common. `folder` is empty and stays until the last of them. */
  prepare(files: FileSet, folder: string): Promise<Prepared>
}

export interface Prepared {
  /** `folder` is empty, and for this run only. */
  enter(network: Network, folder: string): Crowd
}

export interface Crowd {
  /** Resolves when it serves the files. */
  startOrigin(): Promise<void>
  /** Resolves when it waits for the signal. */
  startReceiver(node: number): Promise<void>
  /** What these programs have done before on any day that they are of use. Resolves when it is done at `nodes`. */
  practise?(nodes: readonly number[]): Promise<void>
  /** The signal: called for every node in one turn of the event loop. */
  begin(node: number): void
  /** Resolves when all files are whole at that node. */
  done(node: number): Promise<void>
  /** Of the engine's processes at that node. Null where they are not there any more or cannot be asked. */
  usage(node: number): Usage | null
  kill(node: number): Promise<void>
  stop(): Promise<void>
}
