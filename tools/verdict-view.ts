/** What a release block says about which packages cannot be installed, as commands show it. */
import type { Channel } from '../actors/channel.ts'
import { asFreshetError } from '../schemas/errors.ts'
import type { Release } from '../schemas/events.ts'
import { brokenNameText } from '../schemas/verdict.ts'
import { readRelease } from '../store/release-block.ts'
import type { ReleaseSummary } from '../store/release-block.ts'
import { formatCount } from './output.ts'

/** Of one architecture. */
export interface VerdictView {
  readonly architecture: string
  readonly packages: number
  readonly uninstallable: number
  /** How many became so with this release, and the first of them, NAME:ARCH=VERSION. */
  readonly became: number
  readonly names: readonly string[]
  readonly mended: number
}

/** @returns null where the publisher has not looked, or the block of an old release is not here. */
export async function verdictsAt({ log }: Channel, { block }: ReleaseSummary): Promise<readonly VerdictView[] | null> {
  try {
    return verdictViews((await readRelease(log, block, { local: true })).release.verdicts)
  } catch (error) {
    if (asFreshetError(error).code === 'NO_PEERS') return null
    throw error
  }
}

export function verdictViews(verdicts: Release['verdicts']): readonly VerdictView[] | null {
  return (
    verdicts?.map(({ architecture, packages, broken, became, names, mended }) => {
      return { architecture, packages, uninstallable: broken, became, names: names.map(brokenNameText), mended }
    }) ?? null
  )
}

/** In a few words; empty where nothing is known, or everything can be installed and nothing changed of that. */
export function verdictText(verdicts: readonly VerdictView[] | null): string {
  const parts = (verdicts ?? []).flatMap(({ architecture, uninstallable, became, mended }) => {
    const changes = [became > 0 ? `${formatCount(became)} new` : '', mended > 0 ? `${formatCount(mended)} mended` : '']
    const changed = changes.filter((text) => text !== '').join(', ')
    if (uninstallable === 0 && changed === '') return []
    return [`${formatCount(uninstallable)} uninstallable on ${architecture}${changed === '' ? '' : ` (${changed})`}`]
  })
  return parts.join(', ')
}

/** The same, and a line for each architecture with packages that became uninstallable. */
export function verdictLines(verdicts: readonly VerdictView[] | null): string[] {
  const lines = (verdicts ?? []).flatMap(({ architecture, became, names }) => {
    if (became === 0) return []
    const more = became > names.length ? ` and ${formatCount(became - names.length)} more` : ''
    return [`uninstallable on ${architecture} since this release: ${names.join(', ')}${more}`]
  })
  const text = verdictText(verdicts)
  return text === '' ? lines : [text, ...lines]
}
