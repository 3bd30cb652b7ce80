/** Unpacked stanza blocks of a log, the newest few, unpacked ahead of their use on the thread pool. */
import type { Run } from '../../schemas/edit-script.ts'
import { AUDIT_STANZA_BLOCKS } from '../../schemas/limits.ts'
import { RecentlyUsed } from '../recently-used.ts'
import type { ReleaseLog } from '../release-log.ts'
import { linkError } from '../release-block.ts'
import { readStanzas } from '../stanza-block.ts'
import type { StanzaBlock } from '../stanza-block.ts'

const AHEAD = 8

export class StanzaCache {
  readonly #log: ReleaseLog
  readonly #blocks = new RecentlyUsed<number, Promise<StanzaBlock>>(AUDIT_STANZA_BLOCKS)

  constructor(log: ReleaseLog) {
    this.#log = log
  }

  /** Each run with the block it lies in. @throws FreshetError EVENT_INVALID when the block has no such stanzas. */
  async *inOrder(runs: readonly Run[]): AsyncGenerator<{ readonly run: Run; readonly stanzas: StanzaBlock }> {
    for (const [i, run] of runs.entries()) {
      for (const { block } of runs.slice(i, i + AHEAD)) void this.#unpack(block)
      const stanzas = await this.#unpack(run.block)
      if (run.first + run.count >= stanzas.offsets.length) {
        throw linkError(run.block, `it has no stanza ${run.first + run.count - 1}`)
      }
      yield { run, stanzas }
    }
  }

  #unpack(block: number): Promise<StanzaBlock> {
    const known = this.#blocks.get(block)
    if (known !== undefined) return known
    const unpacking = readStanzas(this.#log, block)
    unpacking.catch(() => {}) // reported where it is awaited
    this.#blocks.set(block, unpacking)
    return unpacking
  }
}
