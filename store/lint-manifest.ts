/** Refuses logs whose signer set is weaker than it looks. Hypercore itself accepts the same signer twice, and quorum 0. */
import type { Manifest } from 'hypercore'
import { FreshetError } from '../schemas/errors.ts'
import { SIGNERS_MAX } from '../schemas/limits.ts'

export type { Manifest }

/** @param channel what messages call it: its key, where it has one by now. @throws FreshetError MANIFEST_WEAK unless signers are distinct and the quorum is more than half of them. */
export function lintManifest(channel: string, manifest: Manifest): void {
  const signers = manifest.signers.map((signer) => signer.publicKey.toString('hex'))
  const fault =
    new Set(signers).size !== signers.length
      ? 'a signer is listed twice'
      : manifest.quorum * 2 <= signers.length
        ? `${manifest.quorum} of ${signers.length} signatures are not a majority`
        : manifest.quorum > signers.length
          ? `${manifest.quorum} signatures of ${signers.length} signers can never be had`
          : manifest.allowPatch
            ? 'signers may sign different lengths'
            : manifest.version < 1
              ? 'its signatures do not name this log, so that those of another would pass'
              : signers.length > SIGNERS_MAX
                ? `${signers.length} signers are more than ${SIGNERS_MAX}`
                : (manifest.prologue?.length ?? 0) > 1
                  ? 'more than its first block needs no signature'
                  : null
  if (fault === null) return
  throw new FreshetError('MANIFEST_WEAK', `channel ${channel}: ${fault}`, { channel })
}
