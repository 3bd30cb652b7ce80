/** Sets of exact versions that maintainers of a channel vouch for, in its metadata document: how a plan becomes one, and what is fetched of it. */
import type { Channel } from '../actors/channel.ts'
import type { PackageWish } from '../actors/ports/fetch-package.ts'
import { FreshetError } from '../schemas/errors.ts'
import { SET_MEMBERS_PER_CHANGE } from '../schemas/limits.ts'
import { packageText } from './arguments.ts'
import type { PlanResult } from './plan-packages.ts'

type Registers = Readonly<Record<string, string>>

/**
 * What has to be said for a plan to be a known-good set, one change after the other. That it is good comes last: a set that is only
 * half said is none.
 * @throws FreshetError USAGE where a set cannot say it: one names a package and no architecture.
 */
export function registersOfSet(set: string, { install, releases, architecture }: PlanResult): Registers[] {
  const foreign = install.find((one) => ![architecture, 'all'].includes(one.architecture))
  if (foreign !== undefined) {
    throw new FreshetError('USAGE', `a set is of one architecture, and the plan has ${packageText(foreign)}`)
  }
  const members = install.map(({ name, version }) => [`set/${set}/member/${name}`, version] as const)
  const changes: Registers[] = []
  for (let at = 0; at < members.length; at += SET_MEMBERS_PER_CHANGE) {
    changes.push(Object.fromEntries(members.slice(at, at + SET_MEMBERS_PER_CHANGE)))
  }
  const from = releases.map((number) => `#${number}`).join(' and ')
  return [...changes, { [`set/${set}/note`]: `${architecture}, from ${from}`, [`set/${set}/kind`]: 'known-good' }]
}

/**
 * The packages of a set, each in the newest release that held it.
 * @param release as of which the document is read; null: as of now.
 * @throws FreshetError SET_UNKNOWN, PACKAGE_UNKNOWN, NO_PEERS.
 */
export async function wishesOfSet(
  channel: Channel,
  set: string,
  release: number | null,
  architecture: string,
): Promise<Omit<PackageWish, 'channel'>[]> {
  const { fold } = await channel.metadata.view(release)
  const said = new Map([...fold.state.registers].map(([path, [first]]) => [path, first?.value ?? ''] as const))
  const kind = said.get(`set/${set}/kind`)
  if (kind !== 'known-good') {
    const what = kind === undefined ? `has no set ${JSON.stringify(set)}` : `says that ${set} is ${kind}`
    throw new FreshetError('SET_UNKNOWN', `${channel.name} ${what}`, { set })
  }
  const prefix = `set/${set}/member/`
  const members = [...said].filter(([path]) => path.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Promise.all(
    members.map(async ([path, version]) => newestHolding(channel, path.slice(prefix.length), version, architecture)),
  )
}

async function newestHolding(
  channel: Channel,
  name: string,
  version: string,
  architecture: string,
): Promise<Omit<PackageWish, 'channel'>> {
  const found = (await channel.versions(name))
    .filter((one) => one.version === version && [architecture, 'all'].includes(one.architecture))
    .map((one) => ({ architecture: one.architecture, last: one.ranges.at(-1)?.last ?? 0 }))
    .toSorted((a, b) => b.last - a.last)[0]
  if (found !== undefined) return { name, version, architecture: found.architecture, when: String(found.last) }
  const what = packageText({ name, version, architecture })
  throw new FreshetError('PACKAGE_UNKNOWN', `no release of ${channel.name} held ${what}`, {
    name,
    version,
    architecture,
  })
}
