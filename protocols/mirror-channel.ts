/**
 * One file of an HTTP mirror as a source of pieces, beside the peers of a transfer. It has no piece hashes to give: those come
 * from peers, and without them the file is checked as a whole.
 */
import { createHash } from 'node:crypto'
import { FreshetError } from '../schemas/errors.ts'
import { PIECE_BYTES } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import type { MirrorClient } from './mirror-client.ts'
import type { PieceChannel } from './pieces.ts'

export interface MirrorFile {
  readonly base: string
  readonly path: string
  readonly fileBytes: number
}

export function mirrorChannel(client: MirrorClient, { base, path, fileBytes }: MirrorFile): PieceChannel {
  return {
    /** No peer has such a key: it names the URL. */
    remoteKey: keyHex(createHash('sha256').update(base).digest()),
    closed: false,
    givesLayers: false,
    async ask(_, piece, lengthBytes, signal = new AbortController().signal) {
      const wish = { base, path, fileBytes, first: piece * PIECE_BYTES, lengthBytes, signal }
      const chunks: Buffer[] = []
      for await (const chunk of client.fetchRange(wish)) chunks.push(chunk)
      return Buffer.concat(chunks)
    },
    async askLayer() {
      throw new FreshetError('ARTIFACT_UNAVAILABLE', `${base} has no piece hashes`, { mirror: base })
    },
    close() {},
  }
}
