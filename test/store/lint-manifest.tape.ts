import type { Manifest } from 'hypercore'
import test from 'tape'
import { lintManifest } from '../../store/lint-manifest.ts'
import { refusalOf } from '../helpers/refusal.ts'

const signer = (n: number): Manifest['signers'][number] => ({
  publicKey: Buffer.alloc(32, n),
  namespace: Buffer.alloc(32),
})
const manifest = (quorum: number, ...signers: number[]): Manifest => {
  return { version: 1, quorum, allowPatch: false, signers: signers.map(signer) }
}
const lint = (of: Manifest): string => refusalOf(() => lintManifest('00'.repeat(32), of))

test('lint manifest: one signer, majorities of distinct signers → accepted', (t) => {
  for (const good of [manifest(1, 1), manifest(2, 1, 2), manifest(2, 1, 2, 3), manifest(3, 1, 2, 3, 4)]) {
    t.equal(lint(good), 'accepted')
  }
  t.end()
})

test('lint manifest: repeated signers, no majority, too many, none → MANIFEST_WEAK', (t) => {
  const bad = [manifest(0, 1), manifest(2, 1, 1), manifest(2, 1, 2, 2), manifest(1, 1, 2), manifest(2, 1, 2, 3, 4)]
  for (const weak of [...bad, manifest(2, 1), manifest(4, 1, 2, 3), manifest(0), manifest(1)]) {
    t.equal(lint(weak), 'MANIFEST_WEAK', `${weak.quorum} of ${weak.signers.length}`)
  }
  t.equal(lint({ ...manifest(2, 1, 2, 3), allowPatch: true }), 'MANIFEST_WEAK', 'signers of different lengths')
  t.equal(lint({ ...manifest(1, 1), version: 0 }), 'MANIFEST_WEAK', 'signatures that name no log')
  const many = Array.from({ length: 17 }, (_, n) => n)
  t.equal(lint(manifest(16, ...many.slice(1))), 'accepted')
  t.equal(lint(manifest(17, ...many)), 'MANIFEST_WEAK', 'more signers than a channel may have')
  const prologue = { length: 1, hash: Buffer.alloc(32) }
  t.equal(lint({ ...manifest(2, 1, 2, 3), prologue }), 'accepted', 'a genesis that needs no signature')
  t.equal(lint({ ...manifest(2, 1, 2, 3), prologue: { ...prologue, length: 2 } }), 'MANIFEST_WEAK', 'nor a release')
  t.equal(lint({ ...manifest(1, 1), prologue: null }), 'accepted')
  const namespaces = [0, 1].map((n) => ({ publicKey: Buffer.alloc(32, 1), namespace: Buffer.alloc(32, n) }))
  t.equal(lint({ ...manifest(2), signers: namespaces }), 'MANIFEST_WEAK', 'one key under two namespaces')
  t.end()
})
