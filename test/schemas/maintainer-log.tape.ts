import test from 'tape'
import { decodeMaintainerBlock, encodeMaintainerBlock, type MaintainerBlock } from '../../schemas/maintainer-log.ts'
import { MAINTAINER_BLOCK_BYTES_MAX } from '../../schemas/limits.ts'
import type { MetadataState } from '../../schemas/metadata-fold.ts'
import { decodeState, encodeState } from '../../schemas/metadata-state.ts'
import { digestHex } from '../../schemas/units.ts'
import { differing, golden } from '../helpers/golden.ts'
import { maintainerKey } from '../helpers/offline-maintainers.ts'
import { refusalOf } from '../helpers/refusal.ts'

const AT_MS = 1_700_000_000_000
const HEADING: MaintainerBlock = { type: 'heading', channel: Buffer.alloc(32, 4), name: 'Ada', createdAtMs: AT_MS }
const CHANGE: MaintainerBlock = {
  type: 'change',
  follows: [{ key: Buffer.alloc(32, 5), seq: 300 }],
  byteLength: 400,
  compressed: Buffer.from('brotli'),
}
const STATE: MetadataState = {
  heads: [{ key: maintainerKey(0), seq: 300, hash: digestHex(Buffer.alloc(32, 3)), lastOp: 70_002 }],
  tips: [digestHex(Buffer.alloc(32, 3))],
  registers: new Map([
    ['package/bash/pin', [{ value: '5.2-1', counter: 70_000, actor: maintainerKey(0), seq: 300, timeMs: AT_MS }]],
  ]),
}

test('maintainer log: blocks → the golden bytes, and decode to the same', (t) => {
  const encoded = { heading: encodeMaintainerBlock(HEADING), block: encodeMaintainerBlock(CHANGE) }
  t.deepEqual(differing('metadata', encoded), [])
  t.deepEqual(decodeMaintainerBlock(encoded.heading), HEADING)
  t.deepEqual(decodeMaintainerBlock(encoded.block), CHANGE)
  t.end()
})

test('maintainer log: unknown types and versions, and blocks beyond the bound → refused', (t) => {
  for (const [block, code] of [
    [Buffer.of(7, 1), 'VERSION_UNSUPPORTED'],
    [Buffer.of(1, 2), 'VERSION_UNSUPPORTED'],
    [Buffer.of(1), 'EVENT_INVALID'],
    [Buffer.of(1, 1), 'EVENT_INVALID'],
    [Buffer.alloc(MAINTAINER_BLOCK_BYTES_MAX + 1), 'EVENT_INVALID'],
  ] as const) {
    t.equal(
      refusalOf(() => decodeMaintainerBlock(block)),
      code,
    )
  }
  t.end()
})

test('state: → the golden bytes, and decodes to the same', (t) => {
  const encoded = encodeState(STATE)
  t.equal(encoded.toString('hex'), golden('metadata')['state']?.['1'])
  t.deepEqual(decodeState(encoded), STATE)
  t.end()
})
