import fc from 'fast-check'
import test from 'tape'
import { type Codec, decodeRecord, encodeRecord } from '../../schemas/codec.ts'
import { SIGNERS_MAX } from '../../schemas/limits.ts'
import {
  decodeSigning,
  preparedRecord,
  type PreparedRecord,
  signatureFile,
  type SignatureFile,
  signedHeads,
  type SignedHeads,
  signingRequest,
  type SigningRequest,
} from '../../schemas/signing.ts'
import { golden } from '../helpers/golden.ts'
import { refusalOf } from '../helpers/refusal.ts'

const request: SigningRequest = {
  version: 1,
  quorum: 2,
  signers: [1, 2, 3].map((n) => Buffer.alloc(32, n)),
  genesis: Buffer.from('genesis'),
  base: {
    length: 300,
    fork: 0,
    roots: [{ index: 255, size: 70_000, hash: Buffer.alloc(32, 4) }],
    signature: Buffer.alloc(134, 5),
  },
  blocks: [Buffer.from('stanzas'), Buffer.from('release')],
  target: { length: 302, treeHash: Buffer.alloc(32, 6) },
  successor: { quorum: 1, signers: [Buffer.alloc(32, 7)], genesis: Buffer.from('next') },
}
const signature: SignatureFile = {
  version: 1,
  key: Buffer.alloc(32, 8),
  target: request.target,
  signer: Buffer.alloc(32, 1),
  logSignature: Buffer.alloc(64, 9),
  indexSignature: Buffer.alloc(64, 10),
}
const prepared: PreparedRecord = {
  version: 1,
  request: { ...request, successor: null },
  index: { base: 7, blocks: [Buffer.from('node')], length: 8, treeHash: Buffer.alloc(32, 11) },
}
const heads: SignedHeads = {
  version: 1,
  heads: [{ key: Buffer.alloc(32, 8), base: 300, length: 302, treeHash: Buffer.alloc(32, 6) }],
}
const SAMPLES: Readonly<Record<string, [Codec<never>, unknown]>> = {
  request: [signingRequest as Codec<never>, request],
  signature: [signatureFile as Codec<never>, signature],
  prepared: [preparedRecord as Codec<never>, prepared],
  signedHeads: [signedHeads as Codec<never>, heads],
}

test('signing: every file → the golden bytes, and back', (t) => {
  const known = golden('signing')
  t.deepEqual(Object.keys(known), Object.keys(SAMPLES))
  for (const [name, [codec, value]] of Object.entries(SAMPLES)) {
    const bytes = encodeRecord(codec, value as never)
    t.equal(bytes.toString('hex'), known[name]?.['1'], name)
    t.deepEqual(decodeRecord(codec, bytes), value)
  }
  t.end()
})

test('signing: another version, another file, cut short, bytes after it → refused with what it is', (t) => {
  const bytes = encodeRecord(signatureFile, signature)
  const read = (record: Buffer): string => refusalOf(() => decodeSigning(signatureFile, record, 'a.sig'))
  t.equal(read(bytes), 'accepted')
  t.equal(read(Buffer.concat([Buffer.of(2), bytes.subarray(1)])), 'VERSION_UNSUPPORTED')
  const bad = [Buffer.alloc(0), Buffer.of(0), bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.of(0)])]
  for (const record of [...bad, Buffer.from('{"json": true}'), encodeRecord(signingRequest, request)]) {
    t.ok(['REQUEST_INVALID', 'VERSION_UNSUPPORTED'].includes(read(record)), record.subarray(0, 10).toString('hex'))
  }
  t.end()
})

test('signing: any bytes → decoded or refused, never anything else', (t) => {
  const codes = new Set<string>()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const record = Buffer.concat([Buffer.of(1), bytes])
      for (const [codec] of Object.values(SAMPLES)) {
        codes.add(refusalOf(() => decodeSigning(codec as Codec<{ version: number }>, record, 'a file')))
      }
    }),
  )
  codes.delete('accepted')
  t.deepEqual([...codes], ['REQUEST_INVALID'])
  t.end()
})

test('signing: more signers than a channel may have → not written', (t) => {
  const signers = Array.from({ length: SIGNERS_MAX + 1 }, (_, n) => Buffer.alloc(32, n))
  t.equal(
    refusalOf(() => encodeRecord(signingRequest, { ...request, signers })),
    'EVENT_INVALID',
  )
  t.end()
})
