/** A signer's answer to a request that was checked. Ed25519 is deterministic: asked twice, the answer is the same bytes. */
import { SIGNING_VERSION } from '../schemas/signing.ts'
import type { SignatureFile } from '../schemas/signing.ts'
import type { CheckedRequest } from './check-request.ts'
import { signable } from './quorum.ts'
import type { SignerKey } from './signer-key.ts'

export function signRequest({ quorum, log, index }: CheckedRequest, key: SignerKey): SignatureFile {
  const { length, treeHash } = log
  return {
    version: SIGNING_VERSION,
    key: quorum.logKey,
    target: { length, treeHash },
    signer: key.publicKey,
    logSignature: key.sign(signable(quorum.logKey, log)),
    indexSignature: index === null ? null : key.sign(signable(quorum.indexKey, index)),
  }
}
