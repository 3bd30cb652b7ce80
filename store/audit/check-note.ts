/** One note of a log: names the release and the note before it; a tag is given once, to a release that exists; mirrors can be used. */
import { TAGS_MAX } from '../../schemas/limits.ts'
import { usableMirrors } from '../../schemas/mirror-url.ts'
import { isTag } from '../../schemas/when.ts'
import type { Findings } from './findings.ts'
import type { KnownHistory } from './known-history.ts'
import type { NoteUnit } from './log-units.ts'

/** Afterwards the note is part of `known`. */
export function checkNote({ block, note }: NoteUnit, known: KnownHistory, findings: Findings): void {
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
  known.noteBlock = block
  known.length = block + 1
}
