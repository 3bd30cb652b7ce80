/** What a session answers to whoever asks for a channel that is stopped, or waits for one that is being closed. */
import { ERROR_CODES, FreshetError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'
import type { EvidenceFiles } from '../store/evidence-files.ts'
import type { Channel } from './channel.ts'

export function stopError({ key, name }: Channel, code: ErrorCode, evidence: EvidenceFiles): FreshetError {
  const path = evidence.of(key).find((kept) => kept.code === code)?.path ?? null
  const shown = path === null ? 'no evidence could be had' : `evidence: ${path}`
  return new FreshetError(code, `${name} is stopped: ${ERROR_CODES[code].means}; ${shown}`, { evidence: path })
}

export function interrupted({ name }: Channel): FreshetError {
  return new FreshetError('INTERRUPTED', `${name} was closed meanwhile`)
}
