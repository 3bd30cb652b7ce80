/**
 * The metadata document at each note that fixes it, from the logs of its maintainers alone: all of their changes, from the first on,
 * must come to what the note states, and to the state that stands before it.
 */
import { asFreshetError } from '../../schemas/errors.ts'
import { MetadataFold } from '../../schemas/metadata-fold.ts'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import type { Metadata } from '../../schemas/metadata-events.ts'
import { encodeState } from '../../schemas/metadata-state.ts'
import { keyHex } from '../../schemas/units.ts'
import { foldChanges, type LogOf, readInherited, readMetadata, readState, requireFixed } from '../fixed-metadata.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { Findings } from './findings.ts'

export interface FixedMetadata {
  readonly block: number
  readonly note: Metadata
  /** Position of the state right before it; 0: none. */
  readonly stateBlock: number
}

/** What a note of a fork takes over. */
export interface TakenOver {
  /** Maintainers of upstreams, with as many of their changes as the note has. */
  readonly inherited: readonly Maintainer[]
  /** The newest state that upstream has of it; 0: none. */
  readonly stateBlock: number
}

export const NOTHING_TAKEN: TakenOver = { inherited: [], stateBlock: 0 }

/** It is there, and is counted as it is there; upstream is believed. @throws FreshetError NO_PEERS. */
export async function readTakenOver(
  log: ReleaseLog,
  { block, note }: { readonly block: number; readonly note: Metadata },
  findings: Findings,
): Promise<TakenOver> {
  try {
    const inherited = await readInherited(log, note, block, {})
    return { inherited, stateBlock: (await readMetadata(log, note.upstreamBlock, {}))?.stateBlock ?? 0 }
  } catch (error) {
    findings.refused('METADATA_WRONG', { block }, error)
    return NOTHING_TAKEN
  }
}

/**
 * @param notes in the order of the log.
 * @param maintainers as the newest notes list them, upstream's too: nothing that is fixed was ever taken back.
 */
export async function checkMetadata(
  log: ReleaseLog,
  notes: readonly FixedMetadata[],
  maintainers: readonly Maintainer[],
  logOf: LogOf,
  findings: Findings,
): Promise<void> {
  if (notes.length === 0 || new Set(maintainers.map(({ key }) => key)).size !== maintainers.length) return
  const fold = new MetadataFold(maintainers)
  for (const { block, note, stateBlock } of notes) {
    try {
      for (const { key, changes } of note.counts) await foldChanges(fold, await logOf(keyHex(key)), changes, {})
      requireFixed(fold, note, block)
      if (stateBlock === 0) continue
      if (encodeState(await readState(log, stateBlock, {})).equals(encodeState(fold.state))) continue
      findings.fault('METADATA_WRONG', `block ${stateBlock} is another state of the metadata`, { block: stateBlock })
    } catch (error) {
      const { code, message } = asFreshetError(error)
      if (code !== 'NO_PEERS') return findings.refused('METADATA_WRONG', { block }, error)
      return findings.gap('BLOCKS_MISSING', message, { block })
    }
  }
}
