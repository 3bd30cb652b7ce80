/**
 * How a channel's log grows when several people sign it: prepare, have it signed elsewhere, commit.
 *
 * Preparing writes the release into an atom that is dropped and keeps its blocks, which is what the signatures are for.
 * Committing follows one rule for each core: as long as what was prepared expects → append with the signatures; there already
 * → nothing to do; else it is stale. So either may be cut off anywhere and run again. Nothing here appends without signatures:
 * inside an atom Hypercore would let that pass, and every follower would refuse the log from then on.
 */
import type Hypercore from 'hypercore'
import { encodeEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { BLOCK_WAIT_MS } from '../schemas/limits.ts'
import { SIGNING_VERSION } from '../schemas/signing.ts'
import type { PreparedRecord, SigningRequest, TreeBase } from '../schemas/signing.ts'
import type { Note } from './notes.ts'
import type { Store, Write } from './open-store.ts'
import { PackageIndex } from './package-index.ts'
import { assembleQuorum, quorumOf, UNSIGNED } from './quorum.ts'
import type { NamedSignature, Quorum } from './quorum.ts'
import type { LateFindings, ReleaseBlocks, ReleaseLog } from './release-log.ts'
import { headAfter } from './tree-head.ts'
import { within } from './within.ts'

type SessionOf = Parameters<Write<unknown>>[0]

/** What one core is to grow by. */
interface Step {
  readonly core: Hypercore
  readonly base: number
  readonly blocks: readonly Buffer[]
  readonly length: number
  readonly treeHash: Buffer
  readonly signature: Buffer
}

export class QuorumLog {
  readonly quorum: Quorum
  readonly #store: Store
  readonly #log: ReleaseLog
  readonly #index: Hypercore

  constructor(store: Store, log: ReleaseLog, index: Hypercore, quorum: Quorum) {
    this.#store = store
    this.#log = log
    this.#index = index
    this.quorum = quorum
  }

  /**
   * What a release will be, without appending it.
   * @param after notes about it, which are signed with it.
   * @throws FreshetError PUBLISH_BEHIND when the log is not `base` long any more; ROTATION_INVALID; what `late` throws.
   */
  async prepare(
    { base, blocks, release, changes }: ReleaseBlocks,
    late: Promise<LateFindings>,
    after: readonly Buffer[] = [],
  ): Promise<PreparedRecord> {
    late.catch(() => {}) // it may fail before it is awaited below, which is where that is reported
    await this.#log.requireOpen()
    return this.#store.rehearse(async (sessionOf) => {
      this.#log.requireLength(base)
      const before = this.#base()
      const index = await this.#rehearseIndex(await sessionOf(this.#index), release.number, changes)
      const { length, treeHash } = index
      const { fork, signature } = before
      const headBefore = { length: base, fork, treeHash: headAfter(before, []).treeHash, signature }
      const whole = { ...release, verdicts: null, ...(await late), index: { length, treeHash }, headBefore }
      const grown = [...blocks, encodeEvent({ type: 'release', ...whole }), ...after]
      return { version: SIGNING_VERSION, request: this.#request(before, grown, null), index }
    })
  }

  /** The same for a note. @param to of the last word of this log: the channel that it passes to. */
  async prepareNote(base: number, note: Note, to: Quorum | null): Promise<PreparedRecord> {
    await this.#log.requireOpen()
    this.#log.requireLength(base)
    return {
      version: SIGNING_VERSION,
      request: this.#request(this.#base(), [encodeEvent(note)], to?.channel ?? null),
      index: null,
    }
  }

  /**
   * Appends what was prepared: index and log move together, are durable, and only then are announced.
   * @throws FreshetError SIGNER_UNKNOWN, SIGNATURE_WRONG, QUORUM_SHORT; REQUEST_STALE when the log has gone another way.
   */
  async commit({ request, index }: PreparedRecord, signatures: readonly NamedSignature[]): Promise<void> {
    const { base, blocks, target, successor } = request
    const heads = { log: { ...target, fork: base.fork }, index: index === null ? null : { ...index, fork: 0 } }
    const signed = assembleQuorum(this.quorum, heads, signatures)
    const steps: Step[] = []
    if (index !== null && signed.index !== null) steps.push({ core: this.#index, ...index, signature: signed.index })
    steps.push({ core: this.#log.core, base: base.length, blocks, ...target, signature: signed.log })
    const open: Step[] = []
    for (const step of steps) if (!(await isDone(step))) open.push(step)
    if (open.length === 0) return
    const byteLength = open.flatMap((step) => step.blocks).reduce((sum, block) => sum + block.byteLength, 0)
    await this.#store.requireSpace(3 * byteLength)
    const found = successor === null ? null : quorumOf(successor)
    const next = found === null ? null : await this.#store.core({ manifest: found.log })
    try {
      await this.#store.commit(async (sessionOf) => {
        for (const step of open) await append(sessionOf, step)
        if (next !== null && found !== null) await foundLog(sessionOf, next, found)
      })
    } finally {
      await next?.close()
    }
  }

  /** The newest head, read in one tick. */
  #base(): TreeBase {
    const { length, fork, signature } = this.#log.head()
    const { roots } = this.#log.core.core.state
    return {
      length,
      fork,
      roots: roots.map(({ index, size, hash }) => ({ index, size, hash: Buffer.from(hash) })),
      signature,
    }
  }

  async #rehearseIndex(
    session: Hypercore,
    number: number,
    changes: ReleaseBlocks['changes'],
  ): Promise<NonNullable<PreparedRecord['index']>> {
    const base = session.length
    await PackageIndex.update(session, number, changes)
    const blocks: Buffer[] = []
    for (let block = base; block < session.length; block++) blocks.push((await session.get(block, {})) as Buffer)
    return { base, blocks, length: session.length, treeHash: await session.treeHash() }
  }

  #request(base: TreeBase, blocks: readonly Buffer[], successor: SigningRequest['successor']): SigningRequest {
    const { length, treeHash } = headAfter(base, blocks)
    return {
      version: SIGNING_VERSION,
      ...this.quorum.channel,
      base,
      blocks,
      target: { length, treeHash },
      successor,
    }
  }
}

/** Block 0, for which the key itself vouches; nothing when it is there already. */
export async function foundLog(sessionOf: SessionOf, core: Hypercore, { channel }: Quorum): Promise<void> {
  if (core.length === 0) await (await sessionOf(core)).append([channel.genesis], { signature: UNSIGNED })
}

/** Whether `core` contains `treeHash` at `length`. */
export async function contains(core: Hypercore, length: number, treeHash: Buffer): Promise<boolean> {
  if (core.length < length) return false
  const found = await within(AbortSignal.timeout(BLOCK_WAIT_MS), core.treeHash(length))
  return found?.equals(treeHash) === true
}

async function isDone({ core, base, length, treeHash }: Step): Promise<boolean> {
  if (await contains(core, length, treeHash)) return true
  requireBase(core, base)
  return false
}

async function append(sessionOf: SessionOf, { core, base, blocks, signature }: Step): Promise<void> {
  requireBase(core, base)
  await (await sessionOf(core)).append(blocks, { signature })
}

function requireBase(core: Hypercore, base: number): void {
  if (core.length === base) return
  const message = `the log has ${core.length} blocks, and what was signed follows on ${base}`
  throw new FreshetError('REQUEST_STALE', message, { length: core.length, base })
}
