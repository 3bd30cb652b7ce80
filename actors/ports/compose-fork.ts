/**
 * The next release of a fork, as a draft: what its upstream has, with what the fork changes. Nothing is written.
 *
 * Everything is computed from the upstream release and the fork's changes, never from the fork's release before.
 */
import { createHash } from 'node:crypto'
import type { CuratedPackage, ForkChanges } from '../../schemas/curate.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { AutoMerge, MergeRule } from '../../schemas/events.ts'
import { editedNames, editFork } from '../../schemas/fork-edit.ts'
import type { ForkEdit } from '../../schemas/fork-edit.ts'
import type { BasisIndex, LocalArtifact, ReleaseDraft } from '../../schemas/release-draft.ts'
import { writeRelease } from '../../schemas/release-file.ts'
import type { PackageStanza } from '../../schemas/stanza.ts'
import { digestHex } from '../../schemas/units.ts'
import type { When } from '../../schemas/when.ts'
import { id } from '../../store/identity.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { curateSnapshot } from '../../store/upstream-indexes.ts'
import type { Channel } from '../channel.ts'
import { findPinned } from './find-pinned.ts'
import type { PinWish } from './find-pinned.ts'
import { readForkState } from './fork-state.ts'
import type { ForkState } from './fork-state.ts'
import { previewMerge } from './merge-preview.ts'
import type { MergePreview } from './merge-preview.ts'
import { planFork } from './plan-fork.ts'
import type { PlannedFork } from './plan-fork.ts'

/** A .deb of the fork, and what its index says of it. */
export interface OwnDeb {
  readonly stanza: PackageStanza
  readonly text: Buffer
  readonly artifact: LocalArtifact
}

/** What a person asks for. */
export type ForkWish =
  | { readonly wish: 'add' | 'replace'; readonly debs: readonly OwnDeb[]; readonly component: string | null }
  | { readonly wish: 'pin'; readonly pins: readonly PinWish[] }
  | { readonly wish: 'remove'; readonly names: readonly string[] }
  | { readonly wish: 'reset'; readonly names: readonly string[] }
  | { readonly wish: 'auto'; readonly auto: AutoMerge }
  | { readonly wish: 'rule'; readonly names: readonly string[]; readonly rule: MergeRule }

export interface ForkOrder {
  readonly wishes: readonly ForkWish[]
  /** The upstream release to stand on; null: where the fork stands. */
  readonly upstream: When | null
  readonly suite: string
  readonly sign: (text: string) => Promise<Buffer>
  readonly nowMs: number
}

export interface ComposedFork {
  readonly draft: ReleaseDraft
  readonly state: ForkState
  /** The upstream release that it stands on now. */
  readonly base: SnapshotPlan
  /** What the move to another upstream release does; null: it was not asked to move. */
  readonly merge: MergePreview | null
  /** Whether it says anything that the fork's newest release does not. */
  readonly isNews: boolean
}

/** @throws FreshetError NOT_A_FORK, UPSTREAM_PASSED, CURATION_REFUSED, VERSION_REUSE, PACKAGE_UNKNOWN, RELEASE_UNKNOWN, NO_PEERS, ... */
export async function composeFork(fork: Channel, order: ForkOrder): Promise<ComposedFork> {
  const state = await readForkState(fork)
  const planned = await planFork(fork, state, order.upstream)
  if (order.upstream !== null) await requireGoesOn(fork, state, planned)
  let { changes } = state
  for (const wish of order.wishes) changes = await applyWish(fork, planned, changes, wish)
  const merge = order.upstream === null ? null : await previewMerge(fork, state, planned, changes)
  const files = curateSnapshot(planned.indexes, changes).map((file) => {
    const hash = createHash('sha256')
    for (const text of file.texts) hash.update(text)
    return { ...file, digest: digestHex(hash.digest()) }
  })
  const { number, block, hash } = planned.base.release
  const upstream = { number, block, hash }
  const basis = { upstream, indexes: files, changes, before: state.before }
  const artifacts = order.wishes.flatMap((wish) => ('debs' in wish ? wish.debs.map(({ artifact }) => artifact) : []))
  const draft = { ...(await signedDraft(order, files)), artifacts, basis }
  const isNews = fork.history.newest === null || !hash.equals(state.base.hash) || changes !== state.changes
  return { draft, state, base: planned.base, merge, isNews }
}

/** An upstream that has passed to other signers brings nothing more under its old key: a merge that moves nothing must say so. */
async function requireGoesOn({ name }: Channel, { upstream, base }: ForkState, planned: PlannedFork): Promise<void> {
  const rotation = await upstream.log.rotation()
  if (rotation === null || planned.base.release.number > base.number) return
  const successor = id(rotation.successor)
  const message = `${upstream.name}, on whose last release ${name} stands, goes on as ${successor}`
  throw new FreshetError('UPSTREAM_PASSED', message, { successor })
}

async function applyWish(
  fork: Channel,
  { base, indexes }: PlannedFork,
  changes: ForkChanges,
  wish: ForkWish,
): Promise<ForkChanges> {
  const edit = await editOf(fork, { base, indexes }, changes, wish)
  const names = new Set(editedNames(edit))
  const has = new Map<string, PackageStanza[]>()
  for (const packaged of indexes.flatMap((index) => index.packages(names))) {
    has.set(packaged.name, [...(has.get(packaged.name) ?? []), packaged])
  }
  return editFork(changes, edit, has)
}

async function editOf(
  fork: Channel,
  { base, indexes }: PlannedFork,
  changes: ForkChanges,
  wish: ForkWish,
): Promise<ForkEdit> {
  if (wish.wish === 'remove' || wish.wish === 'reset') return { edit: wish.wish, names: wish.names }
  if (wish.wish === 'auto') return { edit: 'auto', names: [], auto: wish.auto }
  if (wish.wish === 'rule') return { edit: 'rule', names: wish.names, rule: wish.rule }
  if (wish.wish === 'pin') {
    const found: CuratedPackage[] = []
    for (const pin of wish.pins) found.push(...(await findPinned({ fork, base, indexes, changes }, pin)))
    return { edit: 'pin', packages: found }
  }
  const paths = indexes.map(({ path }) => path)
  return { edit: wish.wish, packages: wish.debs.flatMap((deb) => placedIn(deb, paths, wish.component)) }
}

/** A package for each index file that it belongs in: one of Architecture: all in those of every architecture. */
function placedIn({ stanza, text }: OwnDeb, paths: readonly string[], component: string | null): CuratedPackage[] {
  const { name, architecture } = stanza
  const wanted = component ?? paths[0]?.split('/binary-')[0] ?? ''
  const fitting = paths.filter((path) => {
    const [in_, of] = path.replace(/\/Packages$/, '').split('/binary-')
    return in_ === wanted && of !== undefined && (architecture === 'all' || of === architecture)
  })
  if (fitting.length > 0) return fitting.map((path) => ({ ...stanza, path, text, place: null }))
  const message = `upstream has no index file of ${wanted} for ${name} (${architecture})`
  throw new FreshetError('CURATION_REFUSED', message, { name, architecture, component: wanted })
}

async function signedDraft(
  { suite, sign, nowMs }: ForkOrder,
  files: readonly BasisIndex[],
): Promise<Omit<ReleaseDraft, 'artifacts'>> {
  const named = files.map(({ path }) => path.replace(/\/Packages$/, '').split('/binary-'))
  const sha256 = new Map(files.map(({ path, byteLength, digest }) => [path, { byteLength, digest }]))
  const date = Math.floor(nowMs / 1000) * 1000 // dates of a Release file have whole seconds
  const text = writeRelease({
    origin: suite,
    label: suite,
    suite,
    codename: suite,
    date,
    validUntil: null,
    architectures: [...new Set(named.flatMap(([, architecture]) => architecture ?? []))],
    components: [...new Set(named.flatMap(([component]) => component ?? []))],
    description: suite,
    sha256,
  })
  const inRelease = await sign(text)
  return {
    suite,
    inRelease,
    releasedAtMs: date,
    validUntilMs: null,
    indexes: [],
    ownRelease: true,
    close: async () => {},
  }
}
