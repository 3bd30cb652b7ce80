/**
 * What the demo shows, in order. Every step is checked against what was published; the first that does not hold ends it.
 *
 * Who sent the bytes of a fetch is known because all nodes are in this process: a file can only have come from nodes that ran
 * and held it when the fetch began.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { startBootstrap } from '../../protocols/bootstrap.ts'
import { hashFile } from '../import/file-hash.ts'
import { formatBytes } from '../output.ts'
import { DemoNode, type Setting } from './demo-node.ts'
import { type DemoPackage, demoPackages, type DemoRelease, totalBytes } from './demo-packages.ts'
import { visitGateway } from './gateway-visit.ts'
import { formatSeconds, type Narrator } from './narrator.ts'
import type { Stage } from './stage.ts'

const CHANNEL = 'demo'
const FOLLOWERS = ['anna', 'ben', 'cleo'] as const
const LOOK_AGAIN_MS = 20

export type SummaryRow = readonly [heading: string, text: string]

interface Cast extends Setting {
  readonly publisher: DemoNode
  readonly anna: DemoNode
  readonly ben: DemoNode
  readonly cleo: DemoNode
}

interface Imported {
  readonly release: number
  readonly added: number
  readonly removed: number
  readonly bytes: number
  readonly artifacts: number
}

interface FetchedFiles {
  readonly files: readonly { readonly name: string; readonly sha256: string; readonly path: string }[]
}

/** @returns what happened, for the summary. @throws when a step did not. */
export async function tellStory(stage: Stage, narrator: Narrator): Promise<SummaryRow[]> {
  const bootstrap = await startBootstrap({ host: '127.0.0.1', port: 0 })
  stage.onClose(() => bootstrap.destroy())
  narrator.say('network', `a private DHT at ${bootstrap.host}:${bootstrap.port}; nothing leaves this machine`)
  const { real, releases } = await demoPackages(stage)
  const bytes = formatBytes(totalBytes(releases[1].packages))
  const origin = real > 0 ? `${real} of them from this machine's apt cache` : 'built for this demo'
  narrator.say('packages', `${releases[1].packages.length} .debs, ${bytes}, ${origin}`)

  const setting: Setting = { stage, narrator, bootstrap }
  const publisher = await DemoNode.start('publisher', setting, false)
  const { id } = await publisher.call<{ id: string }>('channel.create', { name: CHANNEL })
  narrator.say('publisher', `made channel ${CHANNEL}; its id is all that followers need: ${id}`)
  const first = await publish(setting, publisher, releases[0], 1)
  const cast = await gatherFollowers(setting, publisher, id, releases[0])
  const second = await publishToFollowers(cast, releases)

  const { packages } = releases[1]
  const rows: SummaryRow[] = [
    [
      'releases',
      `2, signed: ${releases[0].packages.length}, then ${packages.length} packages; ${formatBytes(first.bytes)}, then ${formatBytes(second.bytes)} of log`,
    ],
    ['told', `all three followers, by push; of release 2 within ${formatSeconds(second.toldMs)} of its import's start`],
    ['bytes', await fetchFrom(cast, cast.anna, [cast.publisher], packages)],
  ]
  await stopPublisher(cast)
  const largest = packages.toSorted((a, b) => b.byteLength - a.byteLength).slice(0, 1)
  rows.push(['bytes', `${await fetchFrom(cast, cast.ben, [cast.anna], largest)}, the publisher gone`])
  rows.push(...(await visitCleo(cast, packages)))
  return rows
}

async function publish(
  { narrator }: Setting,
  publisher: DemoNode,
  { directory, packages }: DemoRelease,
  number: number,
): Promise<Imported> {
  const startedAtMs = performance.now()
  const imported = await publisher.call<Imported>('import', {
    channel: CHANNEL,
    source: { kind: 'deb-dir', directory },
  })
  const { release, added, removed, bytes, artifacts } = imported
  expect(release === number, `the import made release ${release}, not ${number}`)
  expect(artifacts === packages.length, `${artifacts} of ${packages.length} packages were taken in`)
  const change = `${added} stanzas added, ${removed} removed`
  narrator.say(
    'publisher',
    `published release ${release}: ${change}, ${formatBytes(bytes)} of log, ${since(startedAtMs)}`,
  )
  return imported
}

/** Followers know the id and the network, and nothing else. */
async function gatherFollowers(setting: Setting, publisher: DemoNode, id: string, first: DemoRelease): Promise<Cast> {
  const follow = async (name: string): Promise<DemoNode> => {
    const follower = await DemoNode.start(name, setting, true)
    const startedAtMs = performance.now()
    await follower.call('follow', { id })
    const { notification } = await follower.told(1)
    const expected = first.packages.length
    expect(notification.packages === expected, `${name} sees ${notification.packages} packages, not ${expected}`)
    setting.narrator.say(name, `followed the id and serves release 1 after ${since(startedAtMs)}`)
    return follower
  }
  const [anna, ben, cleo] = await Promise.all([follow(FOLLOWERS[0]), follow(FOLLOWERS[1]), follow(FOLLOWERS[2])])
  return { ...setting, publisher, anna, ben, cleo }
}

/** @returns also how long the last follower waited, from the start of the import. */
async function publishToFollowers(
  cast: Cast,
  [first, second]: readonly [DemoRelease, DemoRelease],
): Promise<Imported & { readonly toldMs: number }> {
  const startedAtMs = performance.now()
  const imported = await publish(cast, cast.publisher, second, 2)
  const told = await Promise.all([cast.anna, cast.ben, cast.cleo].map((follower) => follower.told(2)))
  for (const { notification } of told) {
    const { added, upgraded, removed } = notification.counts
    const newcomers = second.packages.length - first.packages.length
    const asPublished = added === newcomers && upgraded === 1 && removed === 0
    expect(asPublished, `a follower was told ${JSON.stringify(notification.counts)}`)
  }
  return { ...imported, toldMs: Math.max(...told.map(({ atMs }) => atMs)) - startedAtMs }
}

/** @returns who sent how much to whom. `holders`: who must be the only ones that can have sent it. */
async function fetchFrom(
  { publisher, anna, ben, cleo, narrator }: Cast,
  follower: DemoNode,
  holders: readonly DemoNode[],
  packages: readonly DemoPackage[],
): Promise<string> {
  for (const { name, digest } of packages) {
    const found = [publisher, anna, ben, cleo].filter((node) => node.holds(digest))
    const asExpected = found.length === holders.length && found.every((node) => holders.includes(node))
    expect(asExpected, `${name} is held by ${namesOf(found) || 'nobody'}, not by ${namesOf(holders)} alone`)
  }
  const startedAtMs = performance.now()
  const wishes = packages.map(({ name, version }) => `${name}=${version}`)
  const { files } = await follower.call<FetchedFiles>('fetch', { channel: CHANNEL, packages: wishes })
  const elapsedMs = performance.now() - startedAtMs
  expect(files.length === packages.length, `${files.length} files came`)
  for (const [i, { name, path }] of files.entries()) {
    expect((await hashFile(path)).digest === packages[i]?.digest, `the bytes of ${name} are not the published ones`)
  }
  const [one] = packages
  const what = packages.length === 1 ? (one?.name ?? '') : `${packages.length} packages`
  const bytes = formatBytes(totalBytes(packages))
  narrator.say(
    follower.name,
    `fetched ${what} from ${namesOf(holders)}: ${bytes} in ${formatSeconds(elapsedMs)}, SHA-256 verified`,
  )
  return `${holderArrow(follower, holders)} ${bytes} in ${formatSeconds(elapsedMs)}`
}

async function stopPublisher({ publisher, anna, ben, cleo, narrator, stage }: Cast): Promise<void> {
  const url = publisher.gatewayUrl
  await publisher.stop()
  const answers = await fetch(url, { signal: stage.signal }).then(
    () => true,
    () => false, // refused: what is expected
  )
  expect(!answers, `something still answers at ${url}`)
  const others = FOLLOWERS.length - 1
  await until(stage, () => [anna, ben, cleo].every((follower) => follower.peersOf(CHANNEL) <= others))
  narrator.say('publisher', 'stopped; its gateway refuses, and no follower is connected to it any more')
}

async function visitCleo(
  { anna, ben, cleo, narrator, stage }: Cast,
  packages: readonly DemoPackage[],
): Promise<SummaryRow[]> {
  expect(!packages.some(({ digest }) => cleo.holds(digest)), 'cleo has packages already')
  const { key } = await cleo.call<{ key: string }>('channel.key', { name: CHANNEL })
  const say = (text: string): void => narrator.say('cleo', text)
  const { gatewayUrl } = cleo
  const visit = await visitGateway({ stage, gatewayUrl, channel: CHANNEL, key, packages, say })
  // The client has its last bytes a moment before the file is whole in the pool.
  await until(stage, () => packages.every(({ digest }) => cleo.holds(digest)))
  const { client, updateMs, downloadMs } = visit
  const [update, download] =
    client === 'apt' ? ['apt-get update', 'apt-get download'] : ['InRelease and index', 'files']
  const bytes = formatBytes(totalBytes(packages))
  return [
    [
      'bytes',
      `${holderArrow(cleo, [anna, ben])} ${bytes} in ${formatSeconds(downloadMs)}, while ${client === 'apt' ? 'apt' : 'the client'} waited, the publisher gone`,
    ],
    [
      client === 'apt' ? 'apt' : 'HTTP',
      `${update} ${formatSeconds(updateMs)}: signed by the channel's key, nothing else trusted`,
    ],
    [
      client === 'apt' ? 'apt' : 'HTTP',
      `${download} ${formatSeconds(downloadMs)}: ${packages.length} packages, SHA-256 as published, each a whole .deb`,
    ],
  ]
}

/** @throws when the demo's time is over before. */
async function until({ signal }: Stage, holds: () => boolean): Promise<void> {
  while (!holds()) await pause(LOOK_AGAIN_MS, undefined, { signal })
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

function since(startedAtMs: number): string {
  return formatSeconds(performance.now() - startedAtMs)
}

function namesOf(nodes: readonly DemoNode[]): string {
  return nodes.map(({ name }) => name).join(' and ')
}

function holderArrow({ name }: DemoNode, holders: readonly DemoNode[]): string {
  return `${name.padEnd(4)} ← ${namesOf(holders).padEnd(12)}`
}
