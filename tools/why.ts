/** `freshet why`: finds out what is asked about, a release, packages or a file, and asks the node (actors/why.ts). */
import type { Node } from '../actors/node.ts'
import { findPackage } from '../actors/ports/fetch-package.ts'
import { type ArtifactWhy, type ReleaseWhy, whyArtifact, whyRelease } from '../actors/why.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { DigestHex } from '../schemas/units.ts'
import { parseWhen, splitChannelWhen } from '../schemas/when.ts'
import { type Arguments, parsePackage, textOf, textsOf } from './arguments.ts'

/** One file, with the package that it was asked for as, if it was. */
export interface FileWhy extends ArtifactWhy {
  readonly channel: string | null
  readonly name: string | null
  readonly version: string | null
  readonly architecture: string | null
  readonly size: number | null
}

export interface WhyResult {
  readonly release: ReleaseWhy | null
  readonly files: readonly FileWhy[]
}

/**
 * `of` is SHA256, CHANNEL[@WHEN] alone or with `packages`, or a package of any channel.
 * @throws FreshetError PACKAGE_UNKNOWN, PACKAGE_AMBIGUOUS, RELEASE_UNKNOWN, USAGE.
 */
export async function why(node: Node, args: Arguments): Promise<WhyResult> {
  const of = textOf(args, 'of')
  const packages = textsOf(args, 'packages')
  if (/^[0-9a-f]{64}$/i.test(of) && packages.length === 0) return { release: null, files: [ofFile(node, of)] }
  const { channel, when } = splitChannelWhen(of)
  const isChannel = node.session.channels.some(({ name, log }) => name === channel || log.id === channel)
  if (packages.length === 0) return isChannel || when !== null ? ofRelease(node, channel, when) : ofAnyChannel(node, of)
  const files: FileWhy[] = []
  for (const name of packages) files.push(await ofPackage(node, channel, when, name))
  return { release: null, files }
}

function ofFile({ session }: Node, of: string): FileWhy {
  const found = whyArtifact(session, of.toLowerCase() as DigestHex)
  const size = found.fetch?.size ?? session.pool.held(found.sha256)?.byteLength ?? null
  return { ...found, channel: null, name: null, version: null, architecture: null, size }
}

async function ofRelease({ session }: Node, name: string, when: string | null): Promise<WhyResult> {
  const channel = session.channel(name)
  const release = await channel.history.resolve(parseWhen(when))
  const before = release.number === 1 ? null : await channel.history.summary(release.number - 1)
  return { release: whyRelease(session, channel, release, (before?.block ?? 0) + 1), files: [] }
}

/** In each channel that has it; there is one as a rule. */
async function ofAnyChannel(node: Node, text: string): Promise<WhyResult> {
  const wish = parsePackage(text)
  const files: FileWhy[] = []
  for (const { name, current } of node.session.channels) {
    if (current === null) continue
    try {
      files.push(await ofPackage(node, name, null, text))
    } catch (error) {
      if (!(error instanceof FreshetError && error.code === 'PACKAGE_UNKNOWN')) throw error
    }
  }
  if (files.length > 0) return { release: null, files }
  throw new FreshetError(
    'PACKAGE_UNKNOWN',
    `${wish.name} is neither a channel nor a package of one that is followed here`,
  )
}

async function ofPackage({ session }: Node, channelName: string, when: string | null, text: string): Promise<FileWhy> {
  const channel = session.channel(channelName)
  const { stanza } = await findPackage(channel, { when, ...parsePackage(text) })
  const { name, version, architecture, byteLength, digest } = stanza
  return { ...whyArtifact(session, digest), channel: channel.name, name, version, architecture, size: byteLength }
}
