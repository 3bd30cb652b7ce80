/** Operations about the metadata document of a channel: what it says, who says so, and what this node's maintainer says. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import type { PublishedMetadata } from '../actors/ports/publish-metadata.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { RegisterValue } from '../schemas/metadata-fold.ts'
import { parseWhen } from '../schemas/when.ts'
import type { RegisterEdit } from '../store/metadata-document.ts'
import { keyId } from '../store/identity.ts'
import { countOf, optionalTextOf, textOf, type Arguments } from './arguments.ts'
import { authorsOf, saidBy, type SaidValue } from './metadata-authors.ts'
import { type LoggedChange, newestChanges } from './metadata-log.ts'

export const METADATA_OPERATIONS = ['meta.get', 'meta.set', 'meta.log', 'meta.blame', 'meta.publish'] as const
type MetadataOperation = (typeof METADATA_OPERATIONS)[number]

/** Changes that `meta log` shows unless it is told otherwise. */
const LOGGED_DEFAULT = 50

export interface Register {
  readonly path: string
  readonly value: string
  /** What others wrote at the same time, and nobody has decided between. */
  readonly conflicts: readonly string[]
}

export interface MetadataResult {
  readonly channel: string
  /** Null: as of now. */
  readonly release: number | null
  readonly registers: readonly Register[]
}

export interface BlameResult {
  readonly channel: string
  readonly release: number | null
  readonly registers: readonly { readonly path: string; readonly values: readonly SaidValue[] }[]
}

export interface WrittenResult {
  readonly channel: string
  readonly maintainer: string
  /** Null: the document says so already. */
  readonly change: number | null
  /** Whether the channel names this maintainer. */
  readonly counts: boolean
}

export interface MetadataLogResult {
  readonly channel: string
  readonly changes: readonly LoggedChange[]
}

export type MetadataPublished = PublishedMetadata & { readonly channel: string }

export function metadataOperations(node: Node): Record<MetadataOperation, (args: Arguments) => Promise<unknown>> {
  return {
    'meta.get': (args) => getMetadata(node, args),
    'meta.set': (args) => setMetadata(node, args),
    'meta.log': (args) => logMetadata(node, args),
    'meta.blame': (args) => blameMetadata(node, args),
    'meta.publish': async (args): Promise<MetadataPublished> => {
      const { name } = node.session.channel(textOf(args, 'channel'))
      return { channel: name, ...(await node.publishMetadata(name)) }
    },
  }
}

async function getMetadata(node: Node, args: Arguments): Promise<MetadataResult> {
  const { channel, release, found } = await lookUp(node, args)
  const registers = found.map(([path, [first, ...others]]) => ({
    path,
    value: (first as RegisterValue).value,
    conflicts: others.map(({ value }) => value),
  }))
  return { channel: channel.name, release, registers }
}

async function blameMetadata(node: Node, args: Arguments): Promise<BlameResult> {
  const { channel, release, found } = await lookUp(node, args)
  const authors = await authorsOf(channel)
  const registers = found.map(([path, values]) => ({
    path,
    values: values.map((value) => saidBy(authors, channel, value)),
  }))
  return { channel: channel.name, release, registers }
}

/** Registers whose path is `path` or begins with it; all where none is given. */
async function lookUp(
  node: Node,
  args: Arguments,
): Promise<{
  readonly channel: Channel
  readonly release: number | null
  readonly found: readonly (readonly [string, readonly RegisterValue[]])[]
}> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const when = optionalTextOf(args, 'when')
  const path = optionalTextOf(args, 'path')
  const release = when === null ? null : (await channel.history.resolve(parseWhen(when))).number
  const { fold } = await channel.metadata.view(release)
  const found = [...fold.state.registers]
    .filter(([known]) => path === null || known === path || known.startsWith(`${path}/`))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { channel, release, found }
}

/** Package → version. Where two were written at the same time, the one that `meta get` shows first. */
export async function pinsOf({ metadata }: Channel, release: number | null): Promise<Map<string, string>> {
  const pins = new Map<string, string>()
  const { fold } = await metadata.view(release)
  for (const [path, [first]] of fold.state.registers) {
    const name = /^package\/([^/]+)\/pin$/.exec(path)?.[1]
    if (name !== undefined && first !== undefined) pins.set(name, first.value)
  }
  return pins
}

async function setMetadata(node: Node, args: Arguments): Promise<WrittenResult> {
  return writeRegisters(node, node.session.channel(textOf(args, 'channel')), editsOf(args), args)
}

/** One change of this node's maintainer, with the `message` of `args`. */
export async function writeRegisters(
  node: Node,
  channel: Channel,
  edits: readonly RegisterEdit[],
  args: Arguments,
): Promise<WrittenResult> {
  const own = await channel.metadata.own()
  const place = await channel.metadata.edit(edits, optionalTextOf(args, 'message'), node.now())
  const key = own?.key ?? channel.key
  const counts = (await channel.metadata.maintainers()).some((known) => known.key === key && known.lastChange === null)
  return { channel: channel.name, maintainer: keyId(key), change: place?.seq ?? null, counts }
}

/** Several registers are one change: whoever sees one of them sees all. */
function editsOf(args: Arguments): RegisterEdit[] {
  const registers = args['registers']
  if (typeof registers !== 'object' || registers === null || Array.isArray(registers)) {
    throw new FreshetError('USAGE', 'registers must be an object of path and value')
  }
  const edits = Object.entries(registers).map(([path, value]: [string, unknown]) => {
    if (value === null || typeof value === 'string') return { path, value }
    throw new FreshetError('USAGE', `the value of ${path} must be a text, or null`)
  })
  if (edits.length === 0) throw new FreshetError('USAGE', 'name a register')
  return edits
}

async function logMetadata(node: Node, args: Arguments): Promise<MetadataLogResult> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const view = await channel.metadata.view(null)
  const changes = await newestChanges(channel, view, countOf(args, 'limit') ?? LOGGED_DEFAULT)
  return { channel: channel.name, changes }
}
