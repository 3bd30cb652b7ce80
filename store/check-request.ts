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

type Last = Extract<ChannelEvent, { type: 'release' | 'rotate' | 'withdraw' | 'rollout' }>
type Rollout = Extract<ChannelEvent, { type: 'rollout' }>

export interface CheckedRequest {
  readonly quorum: Quorum
  /** Length of the log that this continues. */
  readonly base: number
  /** Heads to sign. */
  readonly log: TreeHead
  readonly index: TreeHead | null
  /** What the blocks amount to. */
  readonly last: Last
  /** To whom the release is offered first; null: to everybody, or it is none. */
  readonly rollout: Rollout | null
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
  const { last, rollout } = readLast(blocks, base.length)
  const successor = last.type === 'rotate' ? readSuccessor(request, quorum, before, last.successor) : null
  if (last.type !== 'release') return { quorum, base: base.length, log, index: null, last, rollout, successor }
  const { headBefore, index } = last
  const isBefore = headBefore.length === before.length && headBefore.fork === 0
  if (!isBefore || !headBefore.treeHash.equals(before.treeHash) || !headBefore.signature.equals(base.signature)) {
    throw invalid('its release names another head before it')
  }
  return { quorum, base: base.length, log, index: { ...index, fork: 0 }, last, rollout, successor }
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
function readLast(blocks: readonly Buffer[], base: number): { last: Last; rollout: Rollout | null } {
  const events = blocks.map(decodeBlock)
  const rollout = readRollout(events, base)
  const last = events.pop()
  if (last?.type !== 'release' && !isSignedAlone(last)) throw invalid('its last block is no release')
  if (isNote(last) && events.length > 0) throw invalid('other blocks come with its note')
  if (events.every((event) => event !== null && PARTS.has(event.type))) return { last, rollout }
  throw invalid('it holds blocks that are no part of a release')
}

function isSignedAlone(event: ChannelEvent | null | undefined): event is Exclude<Last, { type: 'release' }> {
  return event?.type === 'rotate' || event?.type === 'withdraw' || event?.type === 'rollout'
}

/** Takes the note off the events that says who gets the release before it first. */
function readRollout(events: (ChannelEvent | null)[], base: number): Rollout | null {
  const [release, rollout] = events.slice(-2)
  if (rollout?.type !== 'rollout' || release?.type !== 'release') return null
  events.pop()
  const isOfRelease = rollout.number === release.number && rollout.noteBlock === release.noteBlock
  if (isOfRelease && rollout.releaseBlock === base + events.length - 1 && rollout.halted === null) return rollout
  throw invalid('the note about its release is about something else')
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
