/** The curation of a fork, read from its log: what it changes, with the text of every stanza that it names. */
import { levelOf } from '../schemas/chain-position.ts'
import type { CuratedPackage, ForkChanges, StanzaPlace } from '../schemas/curate.ts'
import type { Run } from '../schemas/edit-script.ts'
import { expectEvent } from '../schemas/events.ts'
import type { Curation } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { PlacedPackage } from '../schemas/release-draft.ts'
import { readPackageStanza } from '../schemas/stanza.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'
import type { StanzaBlock } from './stanza-block.ts'

/** @throws FreshetError EVENT_INVALID, STANZA_*; NO_PEERS. */
export async function readCuration(log: ReleaseLog, block: number): Promise<Curation> {
  return expectEvent('curation', await log.event(block), block)
}

/** What `curation` says, with its stanzas. @throws FreshetError EVENT_INVALID, STANZA_*; NO_PEERS. */
export async function readChanges(log: ReleaseLog, curation: Curation): Promise<ForkChanges> {
  const blocks = new Map<number, StanzaBlock>()
  await log.download([...new Set([...curation.own, ...curation.pinned].map(({ block }) => block))])
  const read = async (places: Curation['own']): Promise<CuratedPackage[]> => {
    const packages: CuratedPackage[] = []
    for (const { path: number, ...place } of places) {
      const held = blocks.get(place.block) ?? (await readStanzas(log, place.block))
      blocks.set(place.block, held)
      packages.push(packageAt(held, place, curation.paths[number]))
    }
    return packages
  }
  return {
    rule: curation.rule,
    auto: curation.auto,
    own: await read(curation.own),
    pinned: await read(curation.pinned),
    removed: new Set(curation.removed),
    rules: new Map(curation.rules.map(({ name, rule }) => [name, rule])),
  }
}

/** Packages of `changes` that stand in the fork's own log and in the release of `indexes`. */
export function ownPackages(
  { own, pinned }: ForkChanges,
  indexes: readonly { readonly path: string; readonly runs: readonly Run[] }[],
): PlacedPackage[] {
  const runs = indexes.flatMap((index) => index.runs)
  const found = new Map<string, PlacedPackage>()
  for (const { name, version, architecture, digest, place } of [...own, ...pinned]) {
    if (place === null || levelOf(place.block) > 0 || !isIn(runs, place)) continue
    found.set(`${place.block} ${place.ordinal}`, { name, version, architecture, digest, ...place })
  }
  return [...found.values()]
}

/** Whether one of `runs` holds the stanza at `place`. */
export function isIn(runs: readonly Run[], { block, ordinal }: StanzaPlace): boolean {
  return runs.some((run) => run.block === block && run.first <= ordinal && ordinal < run.first + run.count)
}

function packageAt({ text, offsets }: StanzaBlock, place: StanzaPlace, path: string | undefined): CuratedPackage {
  const [start, end] = [offsets[place.ordinal], offsets[place.ordinal + 1]]
  if (path === undefined || start === undefined || end === undefined) {
    throw new FreshetError(
      'EVENT_INVALID',
      `a curation names stanza ${place.ordinal} of block ${place.block}, or its index`,
    )
  }
  const own = Buffer.from(text.subarray(start, end))
  return {
    ...readPackageStanza(own, 0, own.length, `stanza ${place.ordinal} of block ${place.block}`),
    path,
    text: own,
    place,
  }
}
