/**
 * What a fork stands on, held against its upstream's log, which is believed: whoever doubts it audits that one too.
 *
 * From there on a release of a fork is audited as any other. Its scripts start from upstream, so here they are said anew, as
 * scripts from the fork's own release before.
 */
import { levelOf } from '../../schemas/chain-position.ts'
import { diffSequences, pushOp, stanzaCount } from '../../schemas/edit-script.ts'
import type { EditOp, Run } from '../../schemas/edit-script.ts'
import type { Genesis, IndexFile } from '../../schemas/events.ts'
import { STANZAS_PER_BLOCK_MAX } from '../../schemas/limits.ts'
import type { PlacedPackage } from '../../schemas/release-draft.ts'
import { readPackageStanza } from '../../schemas/stanza.ts'
import { readChanges, readCuration } from '../curation.ts'
import type { History } from '../history.ts'
import type { IndexChanges } from '../package-index.ts'
import { ownChanges } from '../own-changes.ts'
import { readRelease } from '../release-block.ts'
import type { PlannedIndex, ReadRelease, SnapshotPlan } from '../release-block.ts'
import { ReleaseFold } from '../release-fold.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { ReleaseUnit } from './log-units.ts'
import { placesOf } from './places-of.ts'
import type { StanzaCache } from './stanza-cache.ts'

export interface AuditedUpstream {
  readonly log: ReleaseLog
  readonly history: History
}

/** The release that the genesis names. @throws FreshetError NO_PEERS. */
export async function checkForkPoint(
  { log, history }: AuditedUpstream,
  named: NonNullable<Genesis['upstream']>,
  findings: Findings,
): Promise<void> {
  try {
    await history.planOf(named)
    const { release } = await readRelease(log, named.block)
    const isNamed = log.core.key.equals(named.key) && release.headBefore.treeHash.equals(named.treeHash)
    if (!isNamed)
      findings.fault('UPSTREAM_WRONG', 'the genesis names another log than that of its upstream', { block: 0 })
  } catch (error) {
    findings.refused('UPSTREAM_WRONG', { block: 0 }, error)
  }
}

/** @returns what the release is, on what its upstream has; undefined when it does not stand on that. @throws FreshetError NO_PEERS. */
export async function foldFork(
  before: SnapshotPlan | null,
  read: ReadRelease,
  upstream: AuditedUpstream | null,
  findings: Findings,
): Promise<SnapshotPlan | undefined> {
  const position = { block: read.summary.block, release: read.summary.number }
  const named = read.release.upstream
  if (named === null || upstream === null) {
    const message = `release ${read.summary.number} ${named === null ? 'of a fork names no upstream' : 'names an upstream, and its channel is no fork'}`
    findings.fault('UPSTREAM_WRONG', message, position)
    return undefined
  }
  try {
    const base = await upstream.history.planOf(named)
    const fold = new ReleaseFold(before)
    return findings.attempt('SCRIPT_INVALID', position, () => {
      fold.addFork(read, base)
      return fold.plan() as SnapshotPlan
    })
  } catch (error) {
    findings.refused('UPSTREAM_WRONG', position, error)
    return undefined
  }
}

/** Its newest curation is where the release says, and can be read with all that it names. @throws FreshetError NO_PEERS. */
export async function checkCuration(
  log: ReleaseLog,
  unit: ReleaseUnit,
  { release, summary }: ReadRelease,
  known: KnownHistory,
  findings: Findings,
): Promise<void> {
  const position = { block: summary.block, release: release.number }
  if (unit.curationBlock !== 0) known.curationBlock = unit.curationBlock
  if ((release.upstream?.curationBlock ?? 0) !== known.curationBlock) {
    findings.fault('CURATION_WRONG', `release ${release.number} names another curation than stands before it`, position)
  }
  if (unit.curationBlock === 0) return
  try {
    await readChanges(log, await readCuration(log, unit.curationBlock))
  } catch (error) {
    findings.refused('CURATION_WRONG', { ...position, block: unit.curationBlock }, error)
  }
}

/** The index files of a fork's release, with scripts from the release before. */
export function scriptsFromBefore(before: SnapshotPlan | null, { indexes }: SnapshotPlan): IndexFile[] {
  const known = new Map((before?.indexes ?? []).map(({ path, runs }) => [path, runs]))
  return indexes.map(({ path, byteLength, digest, runs }) => {
    return { path, byteLength, digest: Buffer.from(digest, 'hex'), script: scriptBetween(known.get(path) ?? [], runs) }
  })
}

function scriptBetween(before: readonly Run[], after: readonly Run[]): EditOp[] {
  const ids = new Map<number, number>()
  const sequences = [before, after].map((runs) => {
    const sequence = new Int32Array(stanzaCount(runs))
    let at = 0
    for (const place of placesOf(runs)) {
      const id = ids.get(place) ?? ids.size
      ids.set(place, id)
      sequence[at++] = id
    }
    return sequence
  })
  const places = [...placesOf(after)]
  const script: EditOp[] = []
  for (const op of diffSequences(sequences[0] as Int32Array, sequences[1] as Int32Array)) {
    if (op.op !== 'insert') pushOp(script, { op: op.op, count: op.count })
    else {
      for (const place of places.slice(op.first, op.first + op.count)) {
        const first = place % STANZAS_PER_BLOCK_MAX
        pushOp(script, { op: 'insert', count: 1, block: (place - first) / STANZAS_PER_BLOCK_MAX, first })
      }
    }
  }
  return script
}

/** What the look-up index of a fork is made from. @throws FreshetError EVENT_INVALID, STANZA_*. */
export async function forkLookupChanges(
  before: SnapshotPlan | null,
  after: SnapshotPlan,
  stanzas: StanzaCache,
): Promise<IndexChanges> {
  return ownChanges(await ownOf(before?.indexes ?? [], stanzas), await ownOf(after.indexes, stanzas))
}

async function ownOf(indexes: readonly PlannedIndex[], cache: StanzaCache): Promise<PlacedPackage[]> {
  const own = indexes.flatMap(({ runs }) => runs.filter(({ block }) => levelOf(block) === 0))
  const found: PlacedPackage[] = []
  for await (const { run, stanzas } of cache.inOrder(own)) {
    for (let ordinal = run.first; ordinal < run.first + run.count; ordinal++) {
      const [start, end] = [stanzas.offsets[ordinal] as number, stanzas.offsets[ordinal + 1] as number]
      const where = `stanza ${ordinal} of block ${run.block}`
      const { name, version, architecture, digest } = readPackageStanza(stanzas.text, start, end, where)
      found.push({ name, version, architecture, digest, block: run.block, ordinal })
    }
  }
  return found
}
