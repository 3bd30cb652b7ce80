/** Blocks along a chain of logs (schemas/chain-position.ts): whose a block is, and all that are wanted asked for at once. */
import { once } from 'node:events'
import { levelOf, seenFromUpstream } from '../schemas/chain-position.ts'
import { FreshetError } from '../schemas/errors.ts'
import { BLOCK_WAIT_MS } from '../schemas/limits.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

export interface LogBlock {
  readonly log: ReleaseLog
  /** Position inside it. */
  readonly block: number
}

/** @throws FreshetError EVENT_INVALID when `log` has no upstream so far up. */
export function locateBlock(log: ReleaseLog, block: number): LogBlock {
  if (levelOf(block) === 0) return { log, block }
  if (log.upstream !== null) return locateBlock(log.upstream, seenFromUpstream(block))
  throw new FreshetError('EVENT_INVALID', `block ${block} is said to be in an upstream that ${log.id} does not have`)
}

/** One pipelined request to each log. @returns what ends them. */
export function requestBlocks(log: ReleaseLog, blocks: readonly number[]): () => void {
  const byLog = new Map<ReleaseLog, number[]>()
  for (const located of blocks.map((block) => locateBlock(log, block))) {
    const known = byLog.get(located.log)
    if (known === undefined) byLog.set(located.log, [located.block])
    else known.push(located.block)
  }
  const downloads = [...byLog].map(([{ core }, own]) => core.download({ blocks: own }))
  return () => {
    for (const download of downloads) download.destroy()
  }
}

/**
 * Waits for somebody else's log to have a block at `block`.
 * @throws FreshetError NO_PEERS when it is not as long in time; where only this disk is looked at, at once.
 */
export async function untilReaches(
  { id, core }: ReleaseLog,
  block: number,
  { local = false }: ReadOptions,
): Promise<void> {
  const signal = AbortSignal.timeout(BLOCK_WAIT_MS)
  while (!local && core.length <= block && !signal.aborted) {
    await once(core, 'append', { signal }).catch(() => {}) // aborted: said below
  }
  if (core.length > block) return
  throw new FreshetError('NO_PEERS', `the log ${id} has ${core.length} blocks here, and block ${block} is needed`, {
    block,
  })
}
