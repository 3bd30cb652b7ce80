/** What an evidence file proves, from the file alone: no node, no network, nothing that somebody else says. */
import { open } from 'node:fs/promises'
import { EVIDENCE_BYTES_MAX } from '../schemas/limits.ts'
import { invalidEvidence } from '../schemas/evidence.ts'
import type { SignedHead } from '../schemas/evidence.ts'
import { asIoError } from '../store/durable.ts'
import { judgeEvidence } from '../store/evidence.ts'
import type { Misdeed } from '../store/evidence.ts'
import { id } from '../store/identity.ts'

export interface EvidenceFinding {
  readonly proves: Misdeed
  /** The id that people follow. */
  readonly channel: string
  readonly signers: number
  readonly quorum: number
  readonly heads: readonly {
    readonly length: number
    readonly fork: number
    readonly treeHash: string
    readonly signature: string
  }[]
}

/** @throws FreshetError EVIDENCE_INVALID, VERSION_UNSUPPORTED, IO_ERROR when it cannot be read. */
export async function auditEvidence(path: string): Promise<EvidenceFinding> {
  const { key, code, heads, signers, quorum } = judgeEvidence(await readEvidence(path))
  return { proves: code, channel: id(Buffer.from(key, 'hex')), signers, quorum, heads: heads.map(shownHead) }
}

/** For people: which channel, which heads, what follows from them. */
export function evidenceText({ proves, channel, signers, quorum, heads }: EvidenceFinding): string {
  const [first, second] = heads
  const lines = heads.map(
    ({ length, fork, treeHash }) => `  ${length} blocks${fork > 0 ? `, fork ${fork}` : ''}, tree hash ${treeHash}`,
  )
  const signed =
    signers === 1 ? 'signed by the key of the channel' : `each signed by ${quorum} of its ${signers} signers`
  const follows =
    second === undefined
      ? `A log of Freshet only grows and has fork 0 for ever. This one was truncated ${first?.fork} times and signed again.`
      : first?.length === second.length
        ? 'Both have the same number of blocks and different content: whoever was shown one was not shown the other.'
        : `The longer one had other content when it was ${first?.length} blocks long, so it does not continue the shorter one.`
  return [
    `channel ${channel}`,
    `${proves}, proven by ${heads.length === 1 ? 'a head' : 'two heads'}, ${signed}:`,
    ...lines,
    follows,
  ].join('\n')
}

async function readEvidence(path: string): Promise<Buffer> {
  try {
    const handle = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(EVIDENCE_BYTES_MAX + 1),
        0,
        EVIDENCE_BYTES_MAX + 1,
        0,
      )
      if (bytesRead > EVIDENCE_BYTES_MAX) throw invalidEvidence(`${path} is larger than any evidence`)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw asIoError(error, path)
  }
}

function shownHead({ length, fork, treeHash, signature }: SignedHead): EvidenceFinding['heads'][number] {
  return { length, fork, treeHash: treeHash.toString('hex'), signature: signature.toString('hex') }
}
