/** Signers of test channels: the same keys every time, each as if on a machine of its own. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { SigningRequest } from '../../schemas/signing.ts'
import { checkRequest } from '../../store/check-request.ts'
import { foundChannel, type NamedSignature, type Quorum, signerSet } from '../../store/quorum.ts'
import { signRequest } from '../../store/sign-request.ts'
import type { SignerKey } from '../../store/signer-key.ts'
import { PUBLISHED_AT_MS } from './channel.ts'

/** A PKCS #8 wrapping of an Ed25519 seed (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

export function signerOf(n: number): SignerKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, n)]), format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  return { publicKey: Buffer.from(x, 'base64url'), sign: (message) => sign(null, message, key) }
}

export const SIGNERS = [1, 2, 3].map(signerOf) as [SignerKey, SignerKey, SignerKey]

/** A channel that two of SIGNERS must sign. */
export function twoOfThree(name = 'test', createdAtMs = PUBLISHED_AT_MS): Quorum {
  const set = signerSet(
    SIGNERS.map(({ publicKey }) => publicKey),
    2,
  )
  return foundChannel(set, {
    name,
    kind: 'deb',
    createdAtMs,
    signingKey: Buffer.from('key'),
    predecessor: null,
    upstream: null,
  })
}

/** What a signer's machine answers, under the name of the signer. */
export function answer(request: SigningRequest, signer: SignerKey): NamedSignature {
  const name = `${SIGNERS.indexOf(signer)}.sig`
  return { name, file: signRequest(checkRequest(request, signer.publicKey), signer) }
}

export function answers(request: SigningRequest, ...signers: readonly SignerKey[]): NamedSignature[] {
  return signers.map((signer) => answer(request, signer))
}
