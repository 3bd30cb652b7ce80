import test from 'tape'
import { unlessNoteFails } from '../../actors/unless-note-fails.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { ErrorCode } from '../../schemas/errors.ts'

const OUTCOMES: readonly (readonly [ErrorCode, 'passed over' | 'thrown'])[] = [
  ['NO_PEERS', 'passed over'],
  ['EVENT_INVALID', 'passed over'],
  ['VERSION_UNSUPPORTED', 'passed over'],
  ['METADATA_MISMATCH', 'passed over'],
  ['METADATA_FULL', 'passed over'],
  ['IO_ERROR', 'thrown'],
  ['DISK_FULL', 'thrown'],
  ['STORE_FAILED', 'thrown'],
  ['INTERRUPTED', 'thrown'],
]

for (const [code, outcome] of OUTCOMES) {
  test(`reading a note fails with ${code} → ${outcome}`, async (t) => {
    const error = new FreshetError(code, 'a test')
    const caught = await unlessNoteFails(Promise.reject(error)).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    t.equal(caught, outcome === 'thrown' ? error : null)
  })
}

test('an error that nobody foresaw is thrown', async (t) => {
  const error = new TypeError('a defect')
  const caught = await unlessNoteFails(Promise.reject(error)).catch((thrown: unknown) => thrown)
  t.equal(caught, error)
})
