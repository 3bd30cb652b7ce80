/** Operations and files of channels that several people sign: who they are, requests to them, their answers. */
import { basename } from 'node:path'
import type { Node } from '../actors/node.ts'
import type { PrepareResult } from '../actors/ports/prepare-release.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { encodeRecord } from '../schemas/codec.ts'
import { FreshetError } from '../schemas/errors.ts'
import { REQUEST_BYTES_MAX, SIGNATURE_FILE_BYTES_MAX, SIGNATURE_FILES_MAX } from '../schemas/limits.ts'
import type { ReleaseDraft } from '../schemas/release-draft.ts'
import { decodeSigning, signatureFile, signingRequest } from '../schemas/signing.ts'
import type { SignatureFile, SignerSet, SigningRequest } from '../schemas/signing.ts'
import { checkRequest } from '../store/check-request.ts'
import type { CheckedRequest } from '../store/check-request.ts'
import { writeDurably } from '../store/durable.ts'
import { id } from '../store/identity.ts'
import { requestBytes } from '../store/prepared-releases.ts'
import { signerSet } from '../store/quorum.ts'
import type { NamedSignature } from '../store/quorum.ts'
import { signRequest } from '../store/sign-request.ts'
import { noteSigned, signedHeadsPath } from '../store/signed-heads.ts'
import { parseSigner, readSignerKey } from '../store/signer-key.ts'
import { countOf, flagOf, optionalTextOf, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { readFileBounded } from './import/file-tree.ts'

/** @returns null where no signers are named. @throws FreshetError USAGE, SIGNER_KEY_INVALID, MANIFEST_WEAK. */
export function signersOf(args: Arguments): SignerSet | null {
  const signers = textsOf(args, 'signers').map(parseSigner)
  const quorum = countOf(args, 'quorum')
  if (signers.length === 0 && quorum === null) return null
  if (signers.length === 0 || quorum === null) throw new FreshetError('USAGE', 'name both --signer and --quorum')
  return signerSet(signers, quorum)
}

interface PrepareOrder {
  /** The file to write. */
  readonly request: string
  readonly replace: boolean
  readonly refuseBroken: boolean
  readonly share: number
}

/** Prepares a release and writes the file that its signers get. */
export async function prepareRequest(
  node: Node,
  channel: string,
  draft: ReleaseDraft,
  { request: path, replace, refuseBroken, share }: PrepareOrder,
  io: ControlIo,
): Promise<Omit<PrepareResult, 'request'> & { readonly request: string | null }> {
  const { request, ...result } = await node.prepare(
    channel,
    draft,
    replace,
    (progress) => io.progress(progress),
    refuseBroken,
    share,
  )
  if (request !== null) await writeDurably(path, requestBytes(request))
  return { ...result, request: request === null ? null : path }
}

export async function commitSigned(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const paths = textsOf(args, 'signatures')
  if (paths.length > SIGNATURE_FILES_MAX) throw new FreshetError('USAGE', `${paths.length} signature files`)
  const signatures: NamedSignature[] = []
  for (const path of paths) signatures.push({ name: basename(path), file: await readSignatureFile(path) })
  return { channel: channel.name, id: channel.log.id, ...(await node.commit(channel.name, signatures)) }
}

/** Where a command writes what signers get. @throws FreshetError QUORUM_NEEDED where several sign, and it names no file. */
export function requestPath(node: Node, channel: string, args: Arguments): string | null {
  const path = optionalTextOf(args, 'request')
  if (path !== null || node.session.publishing(channel).log.quorum === null) return path
  throw new FreshetError('QUORUM_NEEDED', `${channel} has several signers`, { channel })
}

/** @returns the file; null: nothing is to be signed. */
export async function writeRequest(path: string | null, request: SigningRequest | null): Promise<string | null> {
  if (request === null || path === null) return null
  await writeDurably(path, requestBytes(request))
  return path
}

/** Prepares, or where this node signs alone makes, the step to a successor with other signers. */
export async function rotateChannel(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'name'))
  const to = signersOf(args)
  if (to === null) throw new FreshetError('USAGE', 'name the new signers: --signer and --quorum')
  const path = requestPath(node, channel.name, args)
  const { successor, request } = await node.rotate(channel.name, to, flagOf(args, 'replace'))
  return { name: channel.name, successor: id(successor), request: await writeRequest(path, request) }
}

export interface SignOptions {
  readonly request: string
  readonly key: string
  /** Where the signature is written; null: beside the request. */
  readonly to: string | null
  /** Also when this key signed another continuation of the same log. */
  readonly replace: boolean
}

export interface Signed extends CheckedRequest {
  readonly signer: string
  /** The file with the signature. */
  readonly path: string
}

/**
 * What a signer does, on a machine that needs nothing but these files. The list of what was signed is durable before the
 * signature is written; asked again, the same bytes are written again.
 */
export async function signFile({ request: path, key: keyPath, to, replace }: SignOptions): Promise<Signed> {
  const key = await readSignerKey(keyPath)
  const checked = checkRequest(
    decodeSigning(signingRequest, await readBounded(path, REQUEST_BYTES_MAX), path),
    key.publicKey,
  )
  const { quorum, base, log } = checked
  const range = { key: quorum.logKey, base, length: log.length, treeHash: log.treeHash }
  await noteSigned(signedHeadsPath(keyPath), range, replace)
  const signer = id(key.publicKey)
  const target = to ?? `${path}.${signer.slice(0, 8)}.sig`
  await writeDurably(target, encodeRecord(signatureFile, signRequest(checked, key)))
  return { ...checked, signer, path: target }
}

async function readSignatureFile(path: string): Promise<SignatureFile> {
  return decodeSigning(signatureFile, await readBounded(path, SIGNATURE_FILE_BYTES_MAX), path)
}

function readBounded(path: string, byteLengthMax: number): Promise<Buffer> {
  return readFileBounded(path, byteLengthMax, (byteLength) => {
    return new FreshetError('REQUEST_INVALID', `${path} has ${byteLength} bytes, more than such a file can have`)
  })
}
