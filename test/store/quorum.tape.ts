import Hypercore from 'hypercore'
import test from 'tape'
import { decodeEvent, expectEvent } from '../../schemas/events.ts'
import type { SignatureFile } from '../../schemas/signing.ts'
import { verifyHead } from '../../store/head-evidence.ts'
import { assembleQuorum, quorumOf, signable, signersOf, signerSet, UNSIGNED } from '../../store/quorum.ts'
import { EMPTY_TREE, headAfter } from '../../store/tree-head.ts'
import { refusalOf } from '../helpers/refusal.ts'
import { signerOf, SIGNERS, twoOfThree } from '../helpers/signers.ts'

const quorum = twoOfThree()
const heads = {
  log: { length: 4, fork: 0, treeHash: Buffer.alloc(32, 1) },
  index: { length: 9, fork: 0, treeHash: Buffer.alloc(32, 2) },
}

function signed(signer = SIGNERS[0]): { name: string; file: SignatureFile } {
  const { length, treeHash } = heads.log
  const file = {
    version: 1,
    key: quorum.logKey,
    target: { length, treeHash },
    signer: signer.publicKey,
    logSignature: signer.sign(signable(quorum.logKey, heads.log)),
    indexSignature: signer.sign(signable(quorum.indexKey, heads.index)),
  }
  return { name: 'a.sig', file }
}

test('quorum: every set of signers, in any order → what Hypercore accepts from two on, QUORUM_SHORT below', (t) => {
  for (let set = 0; set < 8; set++) {
    const chosen = SIGNERS.filter((_, i) => (set & (1 << i)) !== 0)
    for (const order of [chosen, chosen.toReversed()]) {
      const files = order.map((signer) => signed(signer))
      if (order.length < 2) {
        t.equal(
          refusalOf(() => assembleQuorum(quorum, heads, files)),
          'QUORUM_SHORT',
        )
        continue
      }
      const { log, index } = assembleQuorum(quorum, heads, files)
      t.ok(verifyHead(quorum.logKey, quorum.log, { ...heads.log, signature: log }))
      t.ok(verifyHead(quorum.indexKey, quorum.index, { ...heads.index, signature: index as Buffer }))
      t.notOk(verifyHead(quorum.logKey, quorum.log, { ...heads.index, signature: log }), 'for no other head')
      t.notOk(verifyHead(quorum.indexKey, quorum.index, { ...heads.log, signature: log }), 'nor for the other core')
    }
  }
  t.end()
})

test('quorum: the keys → follow from signers, quorum and genesis, in whatever order the signers are named', (t) => {
  const again = quorumOf(quorum.channel)
  t.deepEqual([again.logKey, again.indexKey], [quorum.logKey, quorum.indexKey])
  t.deepEqual(expectEvent('genesis', decodeEvent(quorum.channel.genesis), 0).indexKey, quorum.indexKey)
  t.ok(Hypercore.key(quorum.log).equals(quorum.logKey))
  const keys = SIGNERS.map(({ publicKey }) => publicKey)
  t.deepEqual(signerSet(keys.toReversed(), 2), signerSet(keys, 2))
  t.deepEqual(signersOf(quorum.log), signerSet(keys, 2))
  t.equal(signersOf(quorum.index), null, 'a log without prologue is not one of these')
  t.notOk(quorumOf(twoOfThree('other').channel).logKey.equals(quorum.logKey))
  t.equal(
    refusalOf(() => quorumOf({ ...quorum.channel, signers: [...keys.slice(1), signerOf(9).publicKey] })),
    'EVENT_INVALID',
    'the genesis names the index of its own signers',
  )
  t.end()
})

test('quorum: the genesis → vouched for by the key, and no other first block is', (t) => {
  const first = headAfter(EMPTY_TREE, [quorum.channel.genesis])
  const other = headAfter(EMPTY_TREE, [Buffer.from('other')])
  t.ok(verifyHead(quorum.logKey, quorum.log, { ...first, signature: UNSIGNED }))
  t.notOk(verifyHead(quorum.logKey, quorum.log, { ...other, signature: UNSIGNED }))
  t.notOk(verifyHead(quorum.logKey, quorum.log, { ...heads.log, signature: UNSIGNED }), 'nor any later head unsigned')
  for (const signature of [Buffer.alloc(0), Buffer.alloc(64), Buffer.alloc(134, 255)]) {
    t.notOk(verifyHead(quorum.logKey, quorum.log, { ...heads.log, signature }), 'bytes that are no signature')
  }
  t.end()
})
