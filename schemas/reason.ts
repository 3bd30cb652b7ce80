/** Why a publisher takes something back, in words that everybody will read. */
import { FreshetError } from './errors.ts'
import { REASON_BYTES_MAX } from './limits.ts'

/** @throws FreshetError USAGE for an empty or overlong reason, and for control characters: it is shown on terminals. */
export function requireReason(reason: string): string {
  if (reason.trim() === '' || Buffer.byteLength(reason) > REASON_BYTES_MAX || /[^\P{Cc}\n]/u.test(reason)) {
    throw new FreshetError('USAGE', `a reason has 1 to ${REASON_BYTES_MAX} bytes of text`)
  }
  return reason
}
