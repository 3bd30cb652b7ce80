/**
 * Releases, and drafts of them, as the checker takes them (package-checker.ts); and what a release block says of the outcome.
 *
 * A release of a fork that is its first is compared with the upstream release that it stands on.
 */
import { runsSeenFromFork } from '../../schemas/chain-position.ts'
import { VERDICT_ARCHITECTURES_MAX, VERDICT_NAMES_MAX } from '../../schemas/check-limits.ts'
import { applyScript } from '../../schemas/edit-script.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { Release } from '../../schemas/events.ts'
import { differenceOfScript } from '../../schemas/run-list.ts'
import type { RunDifference } from '../../schemas/run-list.ts'
import { ARCHITECTURE_BYTES_MAX } from '../../schemas/notice-limits.ts'
import { digestHex } from '../../schemas/units.ts'
import { brokenDigest, brokenNameText, VERDICT_RULES } from '../../schemas/verdict.ts'
import type { Verdict } from '../../schemas/verdict.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import type { PlannedIndex, SnapshotPlan } from '../../store/release-block.ts'
import { readStanzaTexts } from '../../store/stanza-texts.ts'
import type { Channel } from '../channel.ts'
import type { ArchitectureCheck } from '../solver/checked-snapshot.ts'
import type { LoadedIndex } from './check-service.ts'
import type { CheckedRelease } from './package-checker.ts'

/** A release of the log. */
export function loggedRelease(channel: Channel, plan: SnapshotPlan): CheckedRelease {
  return releaseOf(channel, channel, plan, (runs) => runs)
}

/** The release before that of `plan`, or what stands for it; null: there is none. @throws FreshetError NO_PEERS, UPSTREAM_MISMATCH. */
export async function releaseBefore(
  channel: Channel,
  { release, upstream }: SnapshotPlan,
): Promise<CheckedRelease | null> {
  if (release.number > 1) return loggedRelease(channel, await channel.history.plan(release.number - 1))
  return upstream === null ? null : upstreamRelease(channel, upstream)
}

function upstreamRelease(fork: Channel, plan: SnapshotPlan): CheckedRelease | null {
  return fork.upstream === null ? null : releaseOf(fork, fork.upstream, plan, runsSeenFromFork)
}

function releaseOf(
  channel: Channel,
  source: Channel,
  plan: SnapshotPlan,
  seen: (runs: readonly Run[]) => readonly Run[],
): CheckedRelease {
  return {
    key: channel.key,
    indexes: plan.indexes.map((index) => ({ ...index, runs: seen(index.runs) })),
    base: null,
    since: null,
    texts: (runs) => readStanzaTexts(channel.log, runs),
    async whole(use) {
      const snapshot = await source.openSnapshot({ kind: 'number', number: plan.release.number })
      try {
        return await use(
          snapshot.indexes.map(({ path, runs, filePath }) => ({ path, runs: seen(runs), from: filePath })),
        )
      } finally {
        await snapshot.close()
      }
    },
  }
}

interface IndexTexts {
  readonly path: string
  readonly texts: readonly Buffer[]
}

export interface DraftToCheck {
  readonly before: SnapshotPlan | null
  readonly draft: ReleaseDraft
  readonly composed: ComposedRelease
}

/** What is about to be appended, and what it is compared with. */
export interface DraftCheck {
  readonly before: CheckedRelease | null
  readonly release: CheckedRelease
}

/** The index files of a draft, in pieces: those of a fork are upstream's but for a few stanzas. */
export function draftIndexes({ basis, indexes }: ReleaseDraft): readonly IndexTexts[] {
  return basis?.indexes ?? indexes.map(({ path, bytes }) => ({ path, texts: [bytes] }))
}

/** @throws FreshetError NO_PEERS, UPSTREAM_MISMATCH. */
export async function draftCheck(channel: Channel, { before, draft, composed }: DraftToCheck): Promise<DraftCheck> {
  const { base, release } = composed
  const upstream = release.upstream === null ? null : await channel.upstream?.history.planOf(release.upstream)
  const onto = upstream?.indexes.map((index) => ({ ...index, runs: runsSeenFromFork(index.runs) })) ?? before?.indexes
  const runsOf = (path: string): readonly Run[] => onto?.find((index) => index.path === path)?.runs ?? []
  const indexes = release.indexes.map(({ path, byteLength, digest, script }): PlannedIndex => {
    return { path, byteLength, digest: digestHex(digest), runs: applyScript(runsOf(path), script) }
  })
  const first = upstream === null || upstream === undefined ? null : upstreamRelease(channel, upstream)
  return {
    before: before === null ? first : loggedRelease(channel, before),
    release: {
      key: channel.key,
      indexes,
      base,
      since: before === null || release.upstream !== null ? null : changesSince(before, release),
      texts: (runs) => readStanzaTexts(channel.log, runs, composed),
      whole: (use) => {
        const made = new Map(draftIndexes(draft).map(({ path, texts }) => [path, texts]))
        return use(indexes.map(({ path, runs }): LoadedIndex => ({ path, runs, from: joined(made.get(path) ?? []) })))
      },
    },
  }
}

/** Without a copy where there is one. */
function joined(texts: readonly Buffer[]): Buffer {
  const [only] = texts
  return only !== undefined && texts.length === 1 ? only : Buffer.concat(texts)
}

/** What the scripts themselves say: in a long history comparing all runs would take a fifth of a second. */
function changesSince({ indexes }: SnapshotPlan, release: ComposedRelease['release']): CheckedRelease['since'] {
  const scripts = new Map(release.indexes.map(({ path, script }) => [path, script]))
  const changes = new Map<string, RunDifference>()
  for (const { path, runs } of indexes) {
    const script = scripts.get(path)
    changes.set(path, script === undefined ? { added: [], removed: runs } : differenceOfScript(runs, script))
  }
  for (const [path, script] of scripts) if (!changes.has(path)) changes.set(path, differenceOfScript([], script))
  return { indexes, changes }
}

/** What the release block says; null where it could not say it. */
export function verdictsOf(checks: readonly ArchitectureCheck[]): Release['verdicts'] {
  const isBounded = checks.every(({ architecture }) => Buffer.byteLength(architecture) <= ARCHITECTURE_BYTES_MAX)
  if (!isBounded || checks.length > VERDICT_ARCHITECTURES_MAX) return null
  return checks.map(({ architecture, packages, broken, mended }): Verdict => {
    const became = broken.filter(({ isNew }) => isNew)
    const names = became.map(({ name, version, architecture: own }) => ({ name, version, architecture: own }))
    return {
      rules: VERDICT_RULES,
      architecture,
      packages,
      broken: broken.length,
      brokenDigest: brokenDigest(broken),
      became: became.length,
      names: names.slice(0, VERDICT_NAMES_MAX),
      mended: mended.length,
    }
  })
}

/** @throws FreshetError RELEASE_BREAKS with the packages that became uninstallable, and the reason of the first. */
export function refuseBroken(channel: string, checks: readonly ArchitectureCheck[]): void {
  const became = checks.flatMap(({ architecture, broken }) =>
    broken.filter(({ isNew }) => isNew).map((one) => ({ ...one, on: architecture })),
  )
  const [first] = became
  if (first === undefined) return
  const names = became.slice(0, VERDICT_NAMES_MAX).map(({ on, ...one }) => `${brokenNameText(one)} on ${on}`)
  const more = became.length > names.length ? ` and ${became.length - names.length} more` : ''
  const reason = first.reason.join('; ')
  const message = `${became.length} packages of ${channel} would become uninstallable: ${names.join(', ')}${more}. ${reason}`
  throw new FreshetError('RELEASE_BREAKS', message, {
    channel,
    became: became.length,
    packages: names.join(' '),
    reason,
  })
}
