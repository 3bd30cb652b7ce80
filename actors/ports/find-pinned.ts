/**
 * Finds a version of a package that a fork is to be held at: among the fork's own, in the upstream release it stands on, else through
 * the look-up indexes of its upstreams, in any release up to that one.
 */
import { levelOf, POSITION_STEP } from '../../schemas/chain-position.ts'
import type { CuratedPackage, ForkChanges, StanzaPlace } from '../../schemas/curate.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { readPackageStanza } from '../../schemas/stanza.ts'
import { isIn } from '../../store/curation.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { readStanzas } from '../../store/stanza-block.ts'
import type { UpstreamIndex } from '../../store/upstream-indexes.ts'
import type { Channel } from '../channel.ts'

/** NAME=VERSION[:ARCHITECTURE]. */
export interface PinWish {
  readonly name: string
  readonly version: string
  readonly architecture: string | null
}

/** What a pin is looked for in. */
export interface PinScope {
  readonly fork: Channel
  /** The upstream release that the fork is to stand on, and its index files. */
  readonly base: SnapshotPlan
  readonly indexes: readonly UpstreamIndex[]
  readonly changes: ForkChanges
}

/** One for each index file that it stood in. @throws FreshetError PACKAGE_UNKNOWN when no release held it; NO_PEERS. */
export async function findPinned(scope: PinScope, wish: PinWish): Promise<CuratedPackage[]> {
  const fits = ({ name, version, architecture }: Omit<PinWish, 'architecture'> & { architecture: string }): boolean =>
    name === wish.name && version === wish.version && [null, architecture].includes(wish.architecture)
  const ours = [...scope.changes.pinned, ...scope.changes.own].filter(fits)
  if (ours.length > 0) return ours
  const here = scope.indexes.flatMap((index) => packagesIn(index, wish.name)).filter(fits)
  if (here.length > 0) return here
  const { name, version, architecture } = wish
  const found = (await searchUpstreams(scope, wish.name)).filter(fits)
  if (found.length > 0) return found
  const what = `${name}=${version}${architecture === null ? '' : `:${architecture}`}`
  const message = `no release of ${scope.fork.upstream?.name} up to #${scope.base.release.number} held ${what}`
  throw new FreshetError('PACKAGE_UNKNOWN', message, { name, version, architecture })
}

function packagesIn(index: UpstreamIndex, name: string): CuratedPackage[] {
  return index.packages(new Set([name])).map((stanza) => {
    const text = Buffer.from(index.bytes.subarray(index.offsets[stanza.index], index.offsets[stanza.index + 1]))
    return complete({ ...stanza, path: index.path, text, place: placeOf(index.runs, stanza.index) })
  })
}

/** Every version of `name` that an upstream brought, each as far as the release goes that the one below stands on. */
async function searchUpstreams({ fork, base }: PinScope, name: string): Promise<CuratedPackage[]> {
  const found: CuratedPackage[] = []
  let channel = fork.upstream
  let plan: SnapshotPlan | null = base
  for (let level = 1; channel !== null && plan !== null; level++) {
    const { index } = await channel.index()
    for (const { spans } of await index.versions(name)) {
      for (const { first, block, ordinal } of spans) {
        if (first > plan.release.number || levelOf(block) > 0) continue
        found.push(...(await packagesAt(channel, first, { block, ordinal }, level)))
      }
    }
    channel = channel.upstream
    plan = plan.upstream
  }
  return found
}

/** The stanza at `place` of a channel's log, for each index file of release `number` that has it. */
async function packagesAt(
  { log, history }: Channel,
  number: number,
  { block, ordinal }: StanzaPlace,
  level: number,
): Promise<CuratedPackage[]> {
  const { indexes } = await history.plan(number)
  const { text, offsets } = await readStanzas(log, block)
  const own = Buffer.from(text.subarray(offsets[ordinal], offsets[ordinal + 1]))
  const stanza = readPackageStanza(own, 0, own.length, `stanza ${ordinal} of block ${block}`)
  const place = { block: block + level * POSITION_STEP, ordinal }
  return indexes
    .filter(({ runs }) => isIn(runs, { block, ordinal }))
    .map(({ path }) => complete({ ...stanza, path, text: own, place }))
}

/** The last stanza of a file may lack its blank line; where it is to stand now, another one follows. */
function complete(packaged: CuratedPackage): CuratedPackage {
  const { text } = packaged
  if (text.subarray(-2).equals(Buffer.from('\n\n'))) return packaged
  const end = text.at(-1) === 0x0a ? '\n' : '\n\n'
  return { ...packaged, text: Buffer.concat([text, Buffer.from(end)]), place: null }
}

function placeOf(runs: readonly Run[], index: number): StanzaPlace {
  let start = 0
  for (const { block, first, count } of runs) {
    if (index < start + count) return { block, ordinal: first + index - start }
    start += count
  }
  throw new FreshetError('INTERNAL', `stanza ${index} is in no run of its index`)
}
