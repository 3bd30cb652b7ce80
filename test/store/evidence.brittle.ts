/** Evidence made from real logs of one key, and everything that must not pass for it. */
import test, { type Assert } from 'brittle'
import fc from 'fast-check'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import crypto from 'hypercore-crypto'
import multisig, { type PartialSignature } from 'hypercore/lib/multisig.js'
import Verifier from 'hypercore/lib/verifier.js'
import { join } from 'node:path'
import { decodeEvidence, encodeEvidence, type Evidence, type SignedHead } from '../../schemas/evidence.ts'
import { EVIDENCE_BYTES_MAX, LOG_BLOCKS_MAX } from '../../schemas/limits.ts'
import { keyHex } from '../../schemas/units.ts'
import { compareHead } from '../../store/compare-heads.ts'
import { equivocationEvidence, judgeEvidence } from '../../store/evidence.ts'
import { encodeManifest, headEvidence, readManifest, verifyHead } from '../../store/head-evidence.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { golden } from '../helpers/golden.ts'
import { refusalOf } from '../helpers/refusal.ts'
import { replica } from '../helpers/replicas.ts'
import { evidenceOf, headOf, logOf, manifestOf } from '../helpers/signed-logs.ts'

const refusal = (file: Uint8Array): string => refusalOf(() => judgeEvidence(file))
const altered = (file: Buffer, change: Partial<Evidence>): Buffer =>
  encodeEvidence({ ...decodeEvidence(file), ...change })

test('evidence: two logs of one length → EQUIVOCATION, whoever looks', async (t) => {
  const [one, other] = [await logOf(t, 'a', 'b'), await logOf(t, 'a', 'c')]
  const file = await evidenceOf(one, other)
  t.alike(await evidenceOf(other, one), file, 'one finding, one form')
  const { key, code, heads, signers, quorum } = judgeEvidence(file)
  t.alike([key, code, signers, quorum], [keyHex(one.key), 'EQUIVOCATION', 1, 1])
  t.alike(
    heads.map(({ length, fork }) => [length, fork]),
    [
      [2, 0],
      [2, 0],
    ],
  )
  t.ok(file.byteLength < 600, `${file.byteLength} bytes`)
})

test('evidence: a longer log that left the shorter one at some block → EQUIVOCATION', async (t) => {
  for (const [common, shorter, longer] of [
    [0, 1, 2],
    [3, 4, 9],
    [7, 8, 20],
    [1, 16, 33],
    [5, 6, 7],
  ] as const) {
    const blocks = Array.from({ length: longer }, (_, i) => `${i}`)
    const left = blocks.slice(0, shorter).map((block, i) => (i < common ? block : `other ${block}`))
    const [long, short] = [await logOf(t, ...blocks), await logOf(t, ...left)]
    const { code, heads } = judgeEvidence(await evidenceOf(long, short))
    t.alike([code, ...heads.map(({ length }) => length)], ['EQUIVOCATION', shorter, longer])
  }
})

test('evidence: one history at two lengths → nothing is found, and nothing can be made to look like it', async (t) => {
  const blocks = Array.from({ length: 9 }, (_, i) => `${i}`)
  const [long, short, end] = [
    await logOf(t, ...blocks),
    await logOf(t, ...blocks.slice(0, 4)),
    await logOf(t, ...blocks),
  ]
  t.is(await compareHead(long, manifestOf(long), headOf(short)), 'consistent')
  t.is(await compareHead(long, manifestOf(long), headOf(end)), 'consistent')
  t.is(await compareHead(short, manifestOf(short), headOf(long)), 'later')
  const other = await logOf(t, ...blocks.slice(0, 3), 'other')
  const file = await evidenceOf(long, other)
  t.is(refusal(altered(file, { heads: [headOf(short), headOf(long)] })), 'EVIDENCE_INVALID', 'the proof says no')
  t.is(refusal(altered(file, { heads: [headOf(long), headOf(long)], proof: [] })), 'EVIDENCE_INVALID', 'one head twice')
})

test('evidence: a truncated log → HISTORY_REWRITE from its head alone', async (t) => {
  const log = await logOf(t, 'a', 'b', 'c')
  const before = headOf(log)
  await log.truncate(1)
  await log.append([Buffer.from('x')])
  const follower = await logOf(t, 'a', 'b', 'c')
  const file = await evidenceOf(follower, log)
  t.alike([judgeEvidence(file).code, judgeEvidence(file).heads[0]?.fork], ['HISTORY_REWRITE', 1])
  t.is(refusal(altered(file, { heads: [before] })), 'EVIDENCE_INVALID', 'the head before it')
  t.is(refusal(altered(file, { heads: [] })), 'EVIDENCE_INVALID')
  t.is(
    refusal(altered(file, { heads: [before, headOf(log)] })),
    'EVIDENCE_INVALID',
    'a second head proves nothing more',
  )
  const bare = await logOf(t, 'a')
  await bare.truncate(0)
  t.is(judgeEvidence(await evidenceOf(follower, bare)).code, 'HISTORY_REWRITE', 'truncated to nothing')
})

test('evidence: signed heads of another key, a stranger’s signature, another length → EVIDENCE_INVALID', async (t) => {
  const [one, other] = [await logOf(t, 'a', 'b'), await logOf(t, 'a', 'c')]
  const file = await evidenceOf(one, other)
  const [first, second] = decodeEvidence(file).heads as [SignedHead, SignedHead]
  const { core: stranger } = await replica(t, null)
  await stranger.append([Buffer.from('a'), Buffer.from('z')])
  const heads = (...changed: SignedHead[]): Buffer => altered(file, { heads: changed })
  t.is(refusal(heads(first, headOf(stranger))), 'EVIDENCE_INVALID')
  t.is(refusal(heads(first, { ...second, signature: first.signature })), 'EVIDENCE_INVALID')
  t.is(refusal(heads(first, { ...second, length: 3 })), 'EVIDENCE_INVALID')
  t.is(refusal(heads(first, { ...second, fork: 1 })), 'EVIDENCE_INVALID')
  t.is(refusal(heads(first, { ...second, signature: Buffer.alloc(0) })), 'EVIDENCE_INVALID')
  t.is(refusal(heads(first, { ...second, length: LOG_BLOCKS_MAX + 1 })), 'EVIDENCE_INVALID')
  t.is(refusal(heads(second, first)), 'EVIDENCE_INVALID', 'in the other order')
  t.is(refusal(altered(file, { key: stranger.key })), 'EVIDENCE_INVALID', 'of another channel')
  t.is(refusal(altered(file, { manifest: encodeManifest(manifestOf(stranger)) })), 'EVIDENCE_INVALID')
  t.is(refusal(altered(file, { proof: [{ byteLength: 1, hash: first.treeHash }] })), 'EVIDENCE_INVALID')
})

test('evidence: what an earlier version wrote → is written the same, and still holds', async (t) => {
  const [one, other] = [await logOf(t, 'a', 'b', 'c'), await logOf(t, 'a', 'x')]
  const rewritten = await logOf(t, 'a')
  await rewritten.truncate(0)
  const made = { equivocation: await evidenceOf(one, other), rewrite: await evidenceOf(one, rewritten) }
  for (const [kind, file] of Object.entries(made)) {
    const written = golden('evidence')[kind]?.['1'] ?? ''
    t.is(file.toString('hex'), written, kind)
    t.is(refusal(Buffer.from(written, 'hex')), 'accepted')
  }
})

test('evidence: any byte changed, cut or added → refused', async (t) => {
  const blocks = Array.from({ length: 9 }, (_, i) => `${i}`)
  const file = await evidenceOf(await logOf(t, ...blocks), await logOf(t, '0', '1', 'other'))
  t.is(refusal(file), 'accepted')
  fc.assert(
    fc.property(fc.nat(file.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
      const bad = Buffer.from(file)
      bad[at] = (bad[at] ?? 0) ^ xor
      return ['EVIDENCE_INVALID', 'VERSION_UNSUPPORTED'].includes(refusal(bad))
    }),
    { numRuns: 2000 },
  )
  for (let length = 0; length < file.byteLength; length++) {
    if (refusal(file.subarray(0, length)) !== 'EVIDENCE_INVALID') t.fail(`cut to ${length}`)
  }
  t.is(refusal(Buffer.concat([file, Buffer.of(0)])), 'EVIDENCE_INVALID')
  t.is(refusal(Buffer.alloc(EVIDENCE_BYTES_MAX + 1)), 'EVIDENCE_INVALID')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => refusal(bytes) === 'EVIDENCE_INVALID'))
})

interface Quorum {
  readonly manifest: Manifest
  readonly head: (content: string, ...by: number[]) => Promise<{ core: Hypercore; head: SignedHead }>
}

/** Two of three signers; each call is another machine that collected signatures of those it names. */
async function quorum(t: Assert): Promise<Quorum> {
  const pairs = [1, 2, 3].map((seed) => crypto.keyPair(Buffer.alloc(32, seed)))
  const manifest = { version: 1, quorum: 2, signers: pairs.map(({ publicKey }) => ({ publicKey })) }
  let made: Manifest | null = null
  const head = async (content: string, ...by: number[]): Promise<{ core: Hypercore; head: SignedHead }> => {
    const store = new Corestore(join(await scratchFolder(t), 'store'))
    t.teardown(() => store.close(), { order: -1 })
    const core = store.get({ manifest } as never)
    await core.ready()
    made = core.manifest
    const draft = core.session({ name: 'draft' })
    await draft.ready()
    await draft.append([Buffer.from(content)])
    const message = await (draft as unknown as { signable(length: number, fork: number): Promise<Buffer> }).signable(
      1,
      0,
    )
    const signature = multisig.assemble(
      by.map((signer) => ({
        signer,
        signature: crypto.sign(message, pairs[signer]?.secretKey ?? Buffer.alloc(64)),
        patch: 0,
        nodes: null,
      })),
    )
    await (core as unknown as { commit(draft: Hypercore, options: object): Promise<unknown> }).commit(draft, {
      signature,
    })
    return { core, head: headOf(core) }
  }
  await head('first', 0, 1)
  if (made === null) throw new Error('no manifest')
  return { manifest: made, head }
}

test('evidence: of a quorum → holds whichever signers met; one signature of two does not count', async (t) => {
  const { manifest, head } = await quorum(t)
  const [one, other] = [await head('one', 0, 1), await head('other', 1, 2)]
  const file = equivocationEvidence(one.core.key, manifest, [one.head, other.head], [])
  const { code, signers, quorum: needed } = judgeEvidence(file)
  t.alike([code, signers, needed], ['EQUIVOCATION', 3, 2])
  const [same, again] = [await head('same', 0, 1), await head('same', 0, 2)]
  t.is(await compareHead(same.core, manifest, again.head), 'consistent', 'other signers of one content')
  const { proofs } = multisig.inflate(one.head.signature)
  const partly = multisig.assemble(proofs.slice(0, 1).map((proof) => ({ ...proof, nodes: null })))
  const [first] = proofs as [PartialSignature]
  const twice = multisig.assemble([first, first].map((proof) => ({ ...proof, nodes: null })))
  for (const signature of [partly, twice]) {
    t.absent(verifyHead(one.core.key, manifest, { ...one.head, signature }))
    t.is(refusal(altered(file, { heads: [{ ...one.head, signature }, other.head] })), 'EVIDENCE_INVALID')
  }
})

test('evidence: a manifest whose signatures prove nothing → EVIDENCE_INVALID', async (t) => {
  const log = await logOf(t, 'a')
  const good = manifestOf(log)
  const [signer] = good.signers
  const weak: Record<string, Manifest> = {
    'nobody must sign': { ...good, quorum: 0 },
    'one signer twice': { ...good, quorum: 2, signers: [signer, signer] as never },
    'a prologue stands without a signature': { ...good, prologue: { hash: Buffer.alloc(32), length: 9 } },
    'signatures of another log would pass': { ...good, version: 0 },
  }
  for (const [what, manifest] of Object.entries(weak)) {
    const bytes = encodeManifest(manifest)
    const file = encodeEvidence({
      key: keyOf(manifest),
      manifest: bytes,
      heads: [{ ...headOf(log), fork: 1 }],
      proof: [],
    })
    t.is(refusal(file), 'EVIDENCE_INVALID', what)
    t.is(
      refusalOf(() => readManifest(keyOf(manifest), bytes)),
      'MANIFEST_WEAK',
      what,
    )
  }
  t.is(
    refusalOf(() => readManifest(log.key, encodeManifest(good))),
    'accepted',
  )
  t.is(
    refusalOf(() => readManifest(log.key, Buffer.alloc(100, 255))),
    'EVIDENCE_INVALID',
  )
})

const keyOf = (manifest: Manifest): Buffer => Buffer.from(Verifier.manifestHash(manifest))

test('head evidence: before the first block → none; after each append → what Hypercore itself would say', async (t) => {
  const log = await logOf(t)
  t.is(headEvidence(log), null)
  for (const block of ['a', 'b', 'c']) {
    await log.append([Buffer.from(block)])
    const head = headOf(log)
    t.alike([head.length, head.fork, head.treeHash], [log.length, 0, await log.treeHash()])
    t.ok(verifyHead(log.key, manifestOf(log), head))
  }
})
