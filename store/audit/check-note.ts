/**
 * One note of a log: names the release and the note before it; a tag is given once, to a release that exists; mirrors can be used;
 * maintainers and their changes are never taken back.
 */
import { ROLLOUTS_MAX, TAGS_MAX, WITHDRAWN_MAX } from '../../schemas/limits.ts'
import { usableMirrors } from '../../schemas/mirror-url.ts'
import { isPartial, SHARE_WHOLE } from '../../schemas/rollout.ts'
import { isTag } from '../../schemas/when.ts'
import { withdrawnName } from '../../schemas/withdrawal.ts'
import type { Rollout } from '../../schemas/events.ts'
import type { Maintainers, Metadata } from '../../schemas/metadata-events.ts'
import { keyHex } from '../../schemas/units.ts'
import type { KeyHex } from '../../schemas/units.ts'
import type { TakenOver } from './check-metadata.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { NoteUnit } from './log-units.ts'

/** Afterwards the note is part of `known`. @param takenOver by a note that fixes the metadata of a fork. */
export function checkNote(
  { block, note, stateBlock }: NoteUnit,
  known: KnownHistory,
  takenOver: TakenOver,
  findings: Findings,
): void {
  const report = (what: string): void =>
    findings.fault('NOTE_WRONG', `the ${note.type} in block ${block} ${what}`, { block })
  const newest = known.plan?.release
  if (note.releaseBlock !== (newest?.block ?? 0)) report('names another newest release')
  if (note.noteBlock !== known.noteBlock) report('names another note before it')
  if (note.type === 'tag') {
    const { name, number } = note
    if (!isTag(name)) report(`gives the name ${JSON.stringify(name)}`)
    if (known.tags.has(name)) report(`gives the name ${name} again`)
    if (number < 1 || number > (newest?.number ?? 0)) report(`names release ${number}, which did not exist`)
    if (known.tags.size >= TAGS_MAX) report(`is one of more than ${TAGS_MAX}`)
    if (!known.tags.has(name)) known.tags.set(name, number)
  }
  if (note.type === 'mirrors') {
    if (usableMirrors(note.urls).length !== note.urls.length) report('names what cannot be a mirror, or one twice')
    known.mirrors = note.urls
  }
  if (note.type === 'withdraw') {
    const { name, version, reason, atMs } = note
    const withdrawn = withdrawnName(note)
    if (known.withdrawn.has(withdrawn)) report(`withdraws ${withdrawn} again`)
    if (known.withdrawn.size >= WITHDRAWN_MAX) report(`is one of more than ${WITHDRAWN_MAX}`)
    if (!known.withdrawn.has(withdrawn)) known.withdrawn.set(withdrawn, { name, version, reason, atMs })
  }
  if (note.type === 'rollout') checkRollout(block, note, known, report)
  if (note.type === 'maintainers') {
    checkMaintainers(note, known, report)
    known.maintainers = note.maintainers.map((listed) => ({ ...listed, key: keyHex(listed.key) }))
    known.metadataBlocks = { ...known.metadataBlocks, maintainersBlock: block }
  }
  if (note.type === 'metadata') {
    checkCounts(note, known, takenOver, report)
    const states = stateBlock > 0 ? [stateBlock] : [known.metadata?.stateBlock ?? 0, takenOver.stateBlock]
    if (!states.includes(note.stateBlock)) report('names another state')
    known.metadata = note
    known.inherited = takenOver.inherited
    known.metadataBlocks = { ...known.metadataBlocks, metadataBlock: block }
  }
  known.noteBlock = block
  known.length = block + 1
}

/** A release comes with its first share, if that is not everybody; from then on shares grow, and nothing is said twice. */
function checkRollout(
  block: number,
  { number, share, halted, releaseBlock }: Rollout,
  known: KnownHistory,
  report: (what: string) => void,
): void {
  const newest = known.plan?.release.number ?? 0
  if (number < 1 || number > newest) report(`is about release ${number}, which did not exist`)
  if (number < 1 || number > newest) return
  const before = known.rollouts.get(number) ?? { number, share: SHARE_WHOLE, halted: null }
  const comesWithIt = number === newest && releaseBlock === block - 1 && !known.rollouts.has(number)
  const isPhased = comesWithIt && share < SHARE_WHOLE && halted === null
  if (!isPhased && share < before.share) report(`takes back a share of release ${number}`)
  if (!isPhased && share === before.share && halted === before.halted) report(`says nothing new of release ${number}`)
  if (known.rollouts.size >= ROLLOUTS_MAX && !known.rollouts.has(number)) report(`is one of more than ${ROLLOUTS_MAX}`)
  const after = { number, share: isPhased ? share : Math.max(share, before.share), halted }
  known.rollouts.delete(number)
  if (isPartial(after)) known.rollouts.set(number, after)
  known.rollouts = new Map([...known.rollouts].sort(([a], [b]) => a - b))
}

/** Who was named once stays listed, and what is fixed of them stays fixed. */
function checkMaintainers({ maintainers }: Maintainers, known: KnownHistory, report: (what: string) => void): void {
  const listed = maintainers.map(({ key }) => keyHex(key))
  if (new Set(listed).size !== listed.length) report('lists a maintainer twice')
  if (known.maintainers.some(({ key }, i) => listed[i] !== key)) report('leaves out a maintainer')
  for (const [i, { key, lastChange }] of known.maintainers.entries()) {
    const now = maintainers[i]?.lastChange ?? null
    if (lastChange !== null && now === null) report(`takes back the removal of ${key}`)
    if (now !== null && now < fixedOf(known, key)) report(`takes back fixed changes of ${key}`)
  }
}

function checkCounts(
  { counts }: Metadata,
  known: KnownHistory,
  { inherited }: TakenOver,
  report: (what: string) => void,
): void {
  const everybody = [...known.maintainers, ...inherited]
  if (new Set(everybody.map(({ key }) => key)).size < everybody.length)
    report('has a maintainer of upstream as its own')
  const keys = counts.map(({ key }) => keyHex(key))
  if (keys.some((key, i) => i > 0 && key <= (keys[i - 1] as string))) report('counts maintainers out of order')
  for (const { key } of known.metadata?.counts ?? []) if (!keys.includes(keyHex(key))) report('takes back changes')
  for (const [i, { changes }] of counts.entries()) {
    const key = keys[i] as KeyHex
    const maintainer = everybody.find((candidate) => candidate.key === key)
    if (maintainer === undefined) report(`counts changes of ${key}, who is no maintainer`)
    if (changes < fixedOf(known, key)) report(`takes back changes of ${key}`)
    if (changes > (maintainer?.lastChange ?? changes)) report(`counts changes of ${key} after the removal`)
  }
}

function fixedOf({ metadata }: KnownHistory, key: KeyHex): number {
  return metadata?.counts.find((count) => keyHex(count.key) === key)?.changes ?? 0
}
