/**
 * The look-up index, built again from what the log says each release changes, in a scratch store of its own.
 *
 * The same code as the publisher's writes it (store/package-index.ts), so that it is the same tree block for block, and the
 * length and tree hash in each release block can be held against it. Owns its folder, and removes it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import type Hyperbee from 'hyperbee'
import type { Release } from '../../schemas/events.ts'
import { openIndexTree, PackageIndex } from '../package-index.ts'
import type { IndexChanges } from '../package-index.ts'

const COPIED_AT_ONCE = 64

export class RebuiltLookup {
  readonly core: Hypercore
  readonly #store: Corestore
  readonly #directory: string
  #tree: Hyperbee

  private constructor(directory: string, store: Corestore, core: Hypercore, tree: Hyperbee) {
    this.#directory = directory
    this.#store = store
    this.core = core
    this.#tree = tree
  }

  /** @param scratch an existing folder; what is made in it goes with `close`. */
  static async open(scratch: string): Promise<RebuiltLookup> {
    const directory = await mkdtemp(join(scratch, 'audit-'))
    const store = new Corestore(directory)
    const core = store.get({ name: 'rebuilt', active: false })
    await core.ready()
    return new RebuiltLookup(directory, store, core, await openIndexTree(core))
  }

  /** Takes the blocks of `published` up to `length` as they are, for releases that are not to be checked. */
  async adopt(published: Hypercore, length: number): Promise<void> {
    if (length <= this.core.length) return
    for (let from = this.core.length; from < length; from += COPIED_AT_ONCE) {
      const count = Math.min(COPIED_AT_ONCE, length - from)
      const blocks = await Promise.all(
        Array.from({ length: count }, (_, i) => published.get(from + i, { wait: false })),
      )
      await this.core.append(blocks.map((block) => block ?? Buffer.alloc(0))) // what is not here makes another tree hash
    }
    this.#tree = await openIndexTree(this.core)
  }

  /** Goes on by one release. */
  async advance(number: number, changes: IndexChanges): Promise<void> {
    await PackageIndex.write(this.#tree, number, changes)
  }

  async is({ length, treeHash }: Release['index']): Promise<boolean> {
    return this.core.length === length && (await this.core.treeHash()).equals(treeHash)
  }

  async close(): Promise<void> {
    await this.#store.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}
