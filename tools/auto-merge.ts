/**
 * Moves the forks of this node to new releases of their upstreams as they come, where the fork says so (`fork merge --auto`).
 *
 * One merge at a time. What cannot be merged is said, and tried again with upstream's next release.
 */
import type { Node } from '../actors/node.ts'
import { forEverybody } from '../actors/ports/plan-fork.ts'
import { previewFork } from '../actors/ports/merge-preview.ts'
import { readForkState } from '../actors/ports/fork-state.ts'
import type { Channel } from '../actors/channel.ts'
import { asFreshetError } from '../schemas/errors.ts'
import { mergeFork } from './fork-operations.ts'

const NEWEST = { kind: 'newest' } as const
const TO_NEWEST = { wishes: [], upstream: NEWEST, refuseBroken: false }

export interface AutoMerge {
  /** Resolves when the merge under way is done. */
  close(): Promise<void>
}

/** Looks at every fork once, and then at those of each channel that has a new release. */
export function startAutoMerge(node: Node, log: (message: string) => void): AutoMerge {
  let closed = false
  let merging: Promise<void> = Promise.resolve()
  const look = (upstreamId: string | null): void => {
    merging = merging.then(async () => {
      if (!closed) await mergeForks(node, upstreamId, log)
    })
  }
  const stop = node.notifier.onReady(look)
  look(null)
  return {
    async close() {
      closed = true
      stop()
      await merging
    },
  }
}

async function mergeForks(node: Node, upstreamId: string | null, log: (message: string) => void): Promise<void> {
  for (const fork of ownForks(node)) {
    if (upstreamId !== null && fork.upstream?.log.id !== upstreamId) continue
    try {
      const reason = await reasonToWait(fork)
      if (reason === null) await mergeFork(node, fork.name, TO_NEWEST, { progress: () => {} })
      else if (reason !== '') log(`${fork.name} is not merged: ${reason}; freshet fork status ${fork.name}`)
    } catch (error) {
      const { code, message } = asFreshetError(error)
      log(`${fork.name} is not merged: ${code}: ${message}`)
    }
  }
}

function ownForks(node: Node): Channel[] {
  try {
    return node.session.channels.filter(({ log, upstream }) => log.writable && upstream !== null)
  } catch {
    return [] // the store is being reopened: the next release finds it open
  }
}

/** Null: none. Empty: there is nothing to do. */
async function reasonToWait(fork: Channel): Promise<string | null> {
  const { changes, base, upstream, releaseNumber } = await readForkState(fork)
  if (changes.auto === 'off' || releaseNumber === 0) return ''
  const to = await forEverybody(upstream, NEWEST, base.number)
  if (to.kind === 'number' && to.number <= base.number) return ''
  if (changes.auto === 'always') return null
  const { collisions, broken } = await previewFork(fork, NEWEST)
  if (collisions.length === 0 && broken.length === 0) return null
  const names = new Set(collisions.map(({ name }) => name))
  return `${names.size} packages collide with its own, ${broken.length} could not be installed`
}
