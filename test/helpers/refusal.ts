/** Waits for a refusal and returns its code ('accepted' without one), so that a test compares codes and prints both when they differ. */
import { FreshetError } from '../../schemas/errors.ts'

export async function codeOf(action: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof action === 'function' ? action() : action)
    return 'accepted'
  } catch (error) {
    return error instanceof FreshetError ? error.code : `not of ours: ${String(error)}`
  }
}

/** The same for what answers at once. */
export function refusalOf(action: () => unknown): string {
  try {
    action()
    return 'accepted'
  } catch (error) {
    return error instanceof FreshetError ? error.code : `not of ours: ${String(error)}`
  }
}
