/**
 * The table of contents that stands before a release: that it is there when it is due, and says exactly what stands before it.
 */
import { isDeepStrictEqual } from 'node:util'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { readCheckpoint, readParts, readRoots } from '../chapter-blocks.ts'
import type { ReleaseSummary } from '../release-block.ts'
import type { ReleaseLog } from '../release-log.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { ReleaseUnit } from './log-units.ts'

/**
 * @param isHeld whether the release before has an artifact; null: not known.
 * Afterwards `known` is as the chapter leaves it.
 */
export async function checkContents(
  log: ReleaseLog,
  unit: ReleaseUnit,
  known: KnownHistory,
  isHeld: ((digest: DigestHex) => boolean) | null,
  findings: Findings,
): Promise<void> {
  const { chapter } = unit
  const isDue = known.tail.length === CHAPTER_RELEASES
  if (chapter === null) {
    const message = `${CHAPTER_RELEASES} releases stand before block ${unit.block}, and no chapter lists them`
    if (isDue) findings.fault('CHAPTER_WRONG', message, { block: unit.base })
    return
  }
  checkChapter(unit, known, findings)
  await checkCheckpoints(log, unit, known, findings)
  if (isHeld !== null) await checkRoots(log, unit, known, isHeld, findings)
  known.chapterBlocks = [...known.chapterBlocks, chapter.block]
  known.tail = []
}

function checkChapter(unit: ReleaseUnit, known: KnownHistory, findings: Findings): void {
  const { block, chapter } = unit.chapter as NonNullable<ReleaseUnit['chapter']>
  const report = (what: string): void =>
    findings.fault('CHAPTER_WRONG', `the chapter in block ${block} ${what}`, { block })
  const { tail } = known
  if (tail.length !== CHAPTER_RELEASES) report(`comes after ${tail.length} releases, not ${CHAPTER_RELEASES}`)
  if (!isDeepStrictEqual(chapter.earlier, known.chapterBlocks)) report('lists other chapters than stand before it')
  const wrong = tail.findIndex((summary, i) => !isDeepStrictEqual(chapter.releases[i], listed(summary)))
  if (wrong >= 0) report(`lists another release ${(tail[wrong] as ReleaseSummary).number}`)
  else if (chapter.releases.length !== tail.length) report(`lists ${chapter.releases.length} releases`)
  const tags = [...known.tags].map(([name, number]) => ({ name, number }))
  if (!isDeepStrictEqual(chapter.tags, tags)) report('lists other tags than were given')
  if (!isDeepStrictEqual(chapter.mirrors, known.mirrors)) report('lists other mirrors than were named')
  if (!isDeepStrictEqual(chapter.withdrawn, [...known.withdrawn.values()]))
    report('lists other withdrawals than were made')
  if (!isDeepStrictEqual(chapter.rollouts, [...known.rollouts.values()])) report('lists other roll-outs than were said')
  const { maintainersBlock, metadataBlock } = chapter
  if (!isDeepStrictEqual({ maintainersBlock, metadataBlock }, known.metadataBlocks)) report('names other metadata')
  if (chapter.noteBlock !== known.noteBlock) report('names another newest note')
  if (!isDeepStrictEqual(chapter.checkpointBlocks, unit.checkpointBlocks))
    report('names other checkpoints than stand before it')
  if (chapter.rootsBlock !== unit.rootsBlock) report('names another block of roots than stands before it')
}

function listed({ number: _, ...release }: ReleaseSummary): Omit<ReleaseSummary, 'number'> {
  return release
}

async function checkCheckpoints(
  log: ReleaseLog,
  unit: ReleaseUnit,
  known: KnownHistory,
  findings: Findings,
): Promise<void> {
  const { plan } = known
  const indexes = plan === null || plan.upstream !== null ? [] : plan.indexes // a fork has none
  let [index, at] = [0, 0]
  for (; at < unit.checkpointBlocks.length; index++) {
    const from = at
    const block = unit.checkpointBlocks[at] as number
    const planned = indexes[index]
    if (plan === null || planned === undefined) break
    const position = { block, release: plan.release.number, path: planned.path }
    try {
      const parts = await readParts(log, unit.checkpointBlocks.slice(at), {})
      at += parts.length
      if (isDeepStrictEqual(await readCheckpoint(parts, block, plan.release), planned)) continue
      findings.fault(
        'CHECKPOINT_WRONG',
        `the checkpoint in block ${block} is not release ${plan.release.number}`,
        position,
      )
    } catch (error) {
      findings.refused('CHECKPOINT_WRONG', position, error)
      if (at === from) return // where the next one begins is not known
    }
  }
  if (index === indexes.length && at === unit.checkpointBlocks.length) return
  const message = `${unit.checkpointBlocks.length} checkpoints are not those of ${indexes.length} index files`
  findings.fault('CHECKPOINT_WRONG', message, { block: unit.base })
}

/** All that came late and is still of use must be listed; what is listed must be of use, and once have been stated. */
async function checkRoots(
  log: ReleaseLog,
  { rootsBlock: block, base }: ReleaseUnit,
  known: KnownHistory,
  isHeld: (digest: DigestHex) => boolean,
  findings: Findings,
): Promise<void> {
  const position = { block: block === 0 ? base : block }
  try {
    const stated = await readRoots(log, block, {})
    for (const [digest, root] of stated) {
      const before = known.roots.get(digest)
      const wasStated = before === undefined ? !known.isComplete : before.equals(root)
      if (isHeld(digest) && wasStated) continue
      findings.fault('ROOTS_WRONG', `the root of ${digest} was never stated so`, { ...position, digest })
    }
    for (const digest of known.lateRoots.keys()) {
      if (!isHeld(digest) || stated.has(digest)) continue
      findings.fault('ROOTS_WRONG', `the root of ${digest}, which came late, is left out`, { ...position, digest })
    }
    known.lateRoots = stated
  } catch (error) {
    findings.refused('ROOTS_WRONG', position, error)
  }
}
