/** A version of a package that its publisher takes back: what a `withdraw` note says, and chapters repeat. */
import { struct, text, timeMs } from './codec.ts'
import type { Infer } from './codec.ts'
import * as limits from './limits.ts'

const said = {
  name: text(limits.PACKAGE_NAME_BYTES_MAX),
  version: text(limits.VERSION_BYTES_MAX),
  reason: text(limits.REASON_BYTES_MAX),
}

/** As a chapter repeats it: with the time of its note. */
export const withdrawal = struct({ ...said, atMs: timeMs })
/** What a note says besides what every note says. */
export const withdrawalFields = said

export type Withdrawal = Infer<typeof withdrawal>

/** Withdrawals by NAME=VERSION: of a version that is taken back, all architectures are. */
export type Withdrawals = ReadonlyMap<string, Withdrawal>

export function withdrawnName({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name}=${version}`
}
