/** What a signer's machine refuses to sign: whatever of a request was changed, and whatever does not belong into it. */
import test, { type Assert } from 'brittle'
import { encodeEvent, expectEvent, decodeEvent } from '../../schemas/events.ts'
import type { SigningRequest } from '../../schemas/signing.ts'
import { checkRequest } from '../../store/check-request.ts'
import { foundChannel, type Quorum, signerSet } from '../../store/quorum.ts'
import { headAfter } from '../../store/tree-head.ts'
import { MAIN, PUBLISHED_AT_MS, stanza, TestChannel } from '../helpers/channel.ts'
import { refusalOf } from '../helpers/refusal.ts'
import { answers, signerOf, SIGNERS, twoOfThree } from '../helpers/signers.ts'

const [ANNA, BELA] = SIGNERS
const check = (request: SigningRequest, signer = ANNA): string =>
  refusalOf(() => checkRequest(request, signer.publicKey))

/** A channel with one release, and the request for its second. */
async function requested(t: Assert): Promise<{ channel: TestChannel; request: SigningRequest }> {
  const channel = await TestChannel.createQuorum(t, twoOfThree())
  const first = { [MAIN]: stanza('aa', '1') }
  const prepared = await channel.prepare(first)
  await channel.commit(prepared, first, answers(prepared.request, ANNA, BELA))
  return { channel, request: (await channel.prepare({ [MAIN]: stanza('aa', '2') })).request }
}

/** The request with other blocks, and figures that agree with them: as a publisher could write it. */
function withBlocks(request: SigningRequest, blocks: readonly Buffer[]): SigningRequest {
  const { length, treeHash } = headAfter(request.base, blocks)
  return { ...request, blocks, target: { length, treeHash } }
}

test('check request: as it was written → what will be signed, from its blocks', async (t) => {
  const { channel, request } = await requested(t)
  const { base, log, index, last } = checkRequest(request, ANNA.publicKey)
  t.is(base, channel.log.length)
  t.alike([log.length, log.treeHash], [request.target.length, request.target.treeHash])
  t.alike([last.type, last.type === 'release' && last.number], ['release', 2])
  t.alike(index, last.type === 'release' ? { ...last.index, fork: 0 } : null)
  t.is(check(request, signerOf(9)), 'SIGNER_UNKNOWN')
})

test('check request: one byte of any part changed → REQUEST_INVALID, or nobody who signs for that channel', async (t) => {
  const { request } = await requested(t)
  const flip = (bytes: Buffer): Buffer => Buffer.from(bytes).fill((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
  const [root, ...roots] = request.base.roots as [never, ...never[]]
  const flipped = { ...(root as SigningRequest['base']['roots'][number]) }
  const tampered: Readonly<Record<string, SigningRequest>> = {
    block: { ...request, blocks: [flip(request.blocks[0] as Buffer), ...request.blocks.slice(1)] },
    root: { ...request, base: { ...request.base, roots: [{ ...flipped, hash: flip(flipped.hash) }, ...roots] } },
    'size of a root': { ...request, base: { ...request.base, roots: [{ ...flipped, size: 1 }, ...roots] } },
    signature: { ...request, base: { ...request.base, signature: flip(request.base.signature) } },
    'signature that is none': { ...request, base: { ...request.base, signature: Buffer.alloc(100, 255) } },
    length: { ...request, base: { ...request.base, length: request.base.length + 1 } },
    fork: { ...request, base: { ...request.base, fork: 1 } },
    target: { ...request, target: { ...request.target, treeHash: flip(request.target.treeHash) } },
    genesis: { ...request, genesis: flip(request.genesis) },
    quorum: { ...request, quorum: 3 },
    signers: { ...request, signers: [...request.signers].reverse() },
  }
  for (const [part, changed] of Object.entries(tampered)) t.is(check(changed), 'REQUEST_INVALID', part)
  t.is(check({ ...request, quorum: 1 }), 'MANIFEST_WEAK')
  t.is(check({ ...request, signers: [ANNA.publicKey, ANNA.publicKey] }), 'MANIFEST_WEAK')
  t.is(
    check({ ...request, signers: request.signers.slice(1) }, BELA),
    'REQUEST_INVALID',
    'other signers, other channel',
  )
})

test('check request: blocks that no release has, figures that agree → REQUEST_INVALID', async (t) => {
  const { request } = await requested(t)
  const { blocks } = request
  const release = expectEvent('release', decodeEvent(blocks.at(-1) as Buffer), 0)
  const note = { atMs: 1, releaseBlock: 3, noteBlock: 0 }
  const tag = encodeEvent({ type: 'tag', ...note, name: 'stable', number: 1 })
  const rotate = encodeEvent({ type: 'rotate', ...note, successor: Buffer.alloc(32, 1) })
  const before = { ...release.headBefore, treeHash: Buffer.alloc(32) }
  const bad: Readonly<Record<string, readonly Buffer[]>> = {
    none: [],
    'no release at the end': blocks.slice(0, -1),
    'a tag among them': [tag, ...blocks],
    'a rotation among them': [rotate, ...blocks],
    'two releases': [...blocks, ...blocks],
    'what does not decode': [Buffer.of(1, 1, 255), ...blocks],
    'another head before it': [...blocks.slice(0, -1), encodeEvent({ ...release, headBefore: before })],
    'a rotation to nowhere': [rotate],
  }
  for (const [what, changed] of Object.entries(bad)) t.is(check(withBlocks(request, changed)), 'REQUEST_INVALID', what)
  t.is(check(withBlocks(request, blocks)), 'accepted')
})

test('check request: a release for a share, a roll-out, a withdrawal → what is signed is said; anything else beside it is not', async (t) => {
  const { channel, request } = await requested(t)
  const release = expectEvent('release', decodeEvent(request.blocks.at(-1) as Buffer), 0)
  const releaseBlock = request.base.length + request.blocks.length - 1
  const { noteBlock } = release
  const said = { type: 'rollout', atMs: 1, releaseBlock, noteBlock, number: 2, share: 1_000, halted: null } as const
  const phased = withBlocks(request, [...request.blocks, encodeEvent(said)])
  const checked = checkRequest(phased, ANNA.publicKey)
  t.alike([checked.last.type, checked.rollout?.share, checked.index !== null], ['release', 1_000, true])
  for (const change of [{ number: 1 }, { releaseBlock: 1 }, { noteBlock: 1 }, { halted: 'x' }]) {
    const changed = withBlocks(request, [...request.blocks, encodeEvent({ ...said, ...change })])
    t.is(check(changed), 'REQUEST_INVALID', JSON.stringify(change))
  }
  t.is(check(withBlocks(request, [...request.blocks, encodeEvent(said), encodeEvent(said)])), 'REQUEST_INVALID')

  const place = { atMs: 1, ...(await channel.log.newest()) }
  const halt = encodeEvent({ type: 'rollout', ...place, number: 1, share: 10_000, halted: 'breaks' })
  const withdraw = encodeEvent({ type: 'withdraw', ...place, name: 'aa', version: '1', reason: 'x' })
  const tag = encodeEvent({ type: 'tag', ...place, name: 'stable', number: 1 })
  for (const [block, type] of [[halt, 'rollout'] as const, [withdraw, 'withdraw'] as const]) {
    const { last, index } = checkRequest(withBlocks(request, [block]), ANNA.publicKey)
    t.alike([last.type, index], [type, null])
    t.is(check(withBlocks(request, [tag, block])), 'REQUEST_INVALID', 'with something before it')
  }
  t.is(check(withBlocks(request, [...request.blocks, withdraw])), 'REQUEST_INVALID', 'with a release before it')
})

test('check request: a rotation → signed only with the successor that it names and that continues this log', async (t) => {
  const { channel, request } = await requested(t)
  const { treeHash } = headAfter(request.base, [])
  const last = { key: Buffer.from(channel.log.key, 'hex'), length: request.base.length, treeHash }
  const next = (predecessor: Quorum['genesis']['predecessor']): Quorum =>
    foundChannel(signerSet([ANNA.publicKey, BELA.publicKey], 2), {
      name: 'test',
      kind: 'deb',
      createdAtMs: PUBLISHED_AT_MS,
      signingKey: Buffer.from('key'),
      predecessor,
      upstream: null,
    })
  const rotated = (to: Quorum, held: Quorum | null): SigningRequest => {
    const note = { type: 'rotate', atMs: 1, releaseBlock: 3, noteBlock: 0, successor: to.logKey } as const
    return { ...withBlocks(request, [encodeEvent(note)]), successor: held?.channel ?? null }
  }
  const good = next(last)
  t.is(check(rotated(good, good)), 'accepted')
  t.is(check(rotated(good, null)), 'REQUEST_INVALID', 'not shown')
  t.is(check(rotated(good, next({ ...last, length: 1 }))), 'REQUEST_INVALID', 'another one is shown')
  for (const predecessor of [null, { ...last, length: 1 }, { ...last, treeHash: Buffer.alloc(32) }]) {
    const bad = next(predecessor)
    t.is(check(rotated(bad, bad)), 'REQUEST_INVALID', 'it continues another log')
  }
})
