/**
 * What a signer's machine checks before it signs, from the request alone: no store, no network, no word of the publisher.
 *
 * What is signed is computed here from the blocks; the file's own figures must agree, so that damage is noticed. The index
 * cannot be rebuilt from a request: its head is signed as the release names it, and whoever follows can check it.
 */
import { decodeEvent } from '../schemas/events.ts'
import type { ChannelEvent, Genesis } from '../schemas/events.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import type { QuorumChannel, SigningRequest } from '../schemas/signing.ts'
import { id } from './identity.ts'
import { isNote } from './notes.ts'
import { verifyHead } from './head-evidence.ts'
import { quorumOf } from './quorum.ts'
import type { Quorum } from './quorum.ts'
import { headAfter } from './tree-head.ts'
import type { TreeHead } from './tree-head.ts'

type Last = Extract<ChannelEvent, { type: 'release' | 'rotate' }>

export interface CheckedRequest {
  readonly quorum: Quorum
  /** Length of the log that this continues. */
  readonly base: number
  /** Heads to sign. */
  readonly log: TreeHead
  readonly index: TreeHead | null
  /** What the blocks amount to. */
  readonly last: Last
  /** Where a `rotate` leads. */
  readonly successor: Quorum | null
}

/** Blocks that may come before the last one of a release. */
const PARTS: ReadonlySet<ChannelEvent['type']> = new Set([
  'stanzas',
  'signedIndex',
  'checkpoint',
  'roots',
  'chapter',
  'gathering',
  'curation',
])

/** @throws FreshetError REQUEST_INVALID, MANIFEST_WEAK, SIGNER_UNKNOWN, VERSION_UNSUPPORTED. */
export function checkRequest(request: SigningRequest, signer: Buffer): CheckedRequest {
  const quorum = readQuorum(request)
  if (!quorum.channel.signers.some((key) => key.equals(signer))) {
    const message = `${id(signer)} is no signer of ${id(quorum.logKey)}`
    throw new FreshetError('SIGNER_UNKNOWN', message, { signer: id(signer) })
  }
  const { base, blocks, target } = request
  const before = headAfter(base, [])
  if (base.fork !== 0) throw invalid('the log was rewritten')
  if (!verifyHead(quorum.logKey, quorum.log, { ...before, signature: base.signature })) {
    throw invalid('the head that it continues is not signed by the quorum')
  }
  const log = headAfter(base, blocks)
  if (log.length !== target.length || !log.treeHash.equals(target.treeHash)) {
    throw invalid('its blocks do not give the head that it names')
  }
  const last = readLast(blocks)
  const successor = last.type === 'rotate' ? readSuccessor(request, quorum, before, last.successor) : null
  if (last.type === 'rotate') return { quorum, base: base.length, log, index: null, last, successor }
  const { headBefore, index } = last
  const isBefore = headBefore.length === before.length && headBefore.fork === 0
  if (!isBefore || !headBefore.treeHash.equals(before.treeHash) || !headBefore.signature.equals(base.signature)) {
    throw invalid('its release names another head before it')
  }
  return { quorum, base: base.length, log, index: { ...index, fork: 0 }, last, successor }
}

/** Whether `genesis` continues `old` from its last head on. */
function isSuccessorOf({ predecessor }: Genesis, oldKey: Buffer, last: Omit<TreeHead, 'fork'>): boolean {
  return (
    predecessor !== null &&
    predecessor.key.equals(oldKey) &&
    predecessor.length === last.length &&
    predecessor.treeHash.equals(last.treeHash)
  )
}

function readQuorum(channel: QuorumChannel): Quorum {
  try {
    return quorumOf(channel)
  } catch (error) {
    const failure = asFreshetError(error)
    if (failure.code !== 'EVENT_INVALID') throw failure
    throw invalid('its channel does not hold', failure)
  }
}

/** Every block must be one that can stand there: a note or release among them would be signed unseen. */
function readLast(blocks: readonly Buffer[]): Last {
  const events = blocks.map(decodeBlock)
  const last = events.pop()
  if (last?.type !== 'release' && last?.type !== 'rotate') throw invalid('its last block is no release')
  if (isNote(last) && events.length > 0) throw invalid('other blocks come with its rotation')
  if (events.every((event) => event !== null && PARTS.has(event.type))) return last
  throw invalid('it holds blocks that are no part of a release')
}

function readSuccessor({ successor }: SigningRequest, quorum: Quorum, last: TreeHead, named: Buffer): Quorum {
  if (successor === null) throw invalid('it does not hold the successor that it names')
  const next = readQuorum(successor)
  if (!next.logKey.equals(named) || !isSuccessorOf(next.genesis, quorum.logKey, last)) {
    throw invalid('the successor that it names is another one')
  }
  return next
}

function decodeBlock(block: Buffer): ChannelEvent | null {
  try {
    return decodeEvent(block)
  } catch (error) {
    const failure = asFreshetError(error)
    throw failure.code === 'VERSION_UNSUPPORTED' ? failure : invalid('a block of it does not decode', failure)
  }
}

function invalid(what: string, cause?: unknown): FreshetError {
  return new FreshetError('REQUEST_INVALID', `the request cannot be signed: ${what}`, {}, cause)
}
