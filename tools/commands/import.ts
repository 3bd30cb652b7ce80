/** `freshet import CHANNEL`: publish what apt has, a folder of .debs, or a repository, as the channel's next release. */
import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import type { PublishResult } from '../../actors/ports/publish-release.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { formatBytes, formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { verdictLines } from '../verdict-view.ts'
import type { VerdictView } from '../verdict-view.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'
import { requestOf, signersText, withRequestOptions } from './request-options.ts'
import type { RequestOptions } from './request-options.ts'

interface ImportOptions extends CommonOptions, RequestOptions {
  readonly aptLists?: string
  readonly debDir?: string
  readonly aptRepo?: string
  readonly suite?: string
  readonly component: readonly string[]
  readonly arch: readonly string[]
  readonly keyring: readonly string[]
  readonly origin?: string
  /** False with --no-mirror. */
  readonly mirror: boolean
  readonly metadataOnly: boolean
  readonly bytesMax?: number
  readonly allowExpired: boolean
  readonly share?: string
  readonly refuseBroken: boolean
}

interface ImportResult extends Omit<PublishResult, 'verdicts'> {
  readonly channel: string
  readonly id: string
  readonly suite: string
  readonly components: readonly string[]
  /** HTTP mirrors that the channel names since this import. */
  readonly mirrors: readonly string[]
  /** Percent of the followers who are offered it first. */
  readonly share: number
  readonly verdicts: readonly VerdictView[] | null
  /** With --request: the file that waits for signatures; null: nothing new. */
  readonly request?: string | null
}

const repeat = (value: string, before: readonly string[]): string[] => [...before, value]

export function addImportCommand(program: Command): void {
  withRequestOptions(withCommonOptions(program.command('import').argument('<channel>')))
    .description('publish a repository state as the next release of an own channel')
    .option('--apt-lists <suite>', "what this machine's apt has downloaded (lists and cache)")
    .option('--deb-dir <dir>', 'a folder of .debs; the Release file is signed with the channel’s own key')
    .option('--apt-repo <url|dir>', 'an apt repository, with --suite')
    .option('--suite <suite>', 'path below dists/ (with --deb-dir the default is the name of the channel)')
    .option('--component <name>', 'only this component (repeatable)', repeat, [])
    .option('--arch <name>', 'only this architecture (repeatable)', repeat, [])
    .option('--keyring <file>', 'trust these keys only (repeatable); default: those of the distribution', repeat, [])
    .option('--origin <name>', 'with --apt-lists: which host, when several have the suite')
    .option('--no-mirror', 'do not name the http(s) server that the first release comes from as a mirror')
    .option('--metadata-only', 'with --apt-repo: publish without the bytes of packages', false)
    .addOption(
      new Option('--bytes-max <bytes>', 'with --apt-repo URL: download at most this much').argParser((text) =>
        Number(text),
      ),
    )
    .option('--allow-expired', 'take a Release file whose Valid-Until has passed', false)
    .option('--share <percent>', 'offer the release to this share of the followers first, such as 10%; default: to all')
    .option('--refuse-broken', 'publish nothing where packages would become uninstallable by it', false)
    .action(async (channel: string, options: ImportOptions) => {
      const context = contextOf(options)
      const { share, mirror, refuseBroken } = options
      const args = { channel, source: sourceOf(options), ...requestOf(options), refuseBroken, noMirror: !mirror, share }
      const result = (await withNode(context, 'import', (call) => call('import', args))) as ImportResult
      context.output.result(result, () => describe(result))
    })
}

/** @throws FreshetError USAGE unless exactly one source is named. */
function sourceOf(options: ImportOptions): object {
  const { aptLists, debDir, aptRepo } = options
  if ([aptLists, debDir, aptRepo].filter((source) => source !== undefined).length !== 1) {
    throw new FreshetError('USAGE', 'name one of --apt-lists, --deb-dir, --apt-repo')
  }
  const shared = { keyrings: options.keyring.map((path) => resolve(path)), allowExpired: options.allowExpired }
  if (aptLists !== undefined) return { kind: 'apt-lists', suite: aptLists, origin: options.origin, ...shared }
  if (debDir !== undefined) {
    if (options.component.length > 1) throw new FreshetError('USAGE', 'a folder of .debs becomes one component')
    return { kind: 'deb-dir', directory: resolve(debDir), suite: options.suite, component: options.component[0] }
  }
  const { aptRepo: location = '', suite, component: components, arch: architectures, metadataOnly, bytesMax } = options
  if (suite === undefined) throw new FreshetError('USAGE', '--apt-repo needs --suite')
  const isUrl = /^[a-z]+:\/\//i.test(location)
  return {
    kind: 'apt-repo',
    location: isUrl ? location : resolve(location),
    suite,
    components,
    architectures,
    metadataOnly,
    bytesMax,
    ...shared,
  }
}

function describe(result: ImportResult): string {
  const { request } = result
  if (request === undefined || request === null) return describePublished(result)
  const { channel, release, added, removed, verdicts } = result
  return [
    `${channel} #${release} is prepared: ${formatCount(added)} added, ${formatCount(removed)} removed`,
    ...verdictLines(verdicts),
    signersText(channel, request),
  ].join('\n')
}

function describePublished({
  channel,
  release,
  added,
  removed,
  bytes,
  artifacts,
  passedOver,
  suite,
  components,
  mirrors,
  share,
  verdicts,
}: ImportResult): string {
  if (bytes === 0) return `${channel} #${release} is up to date: nothing new`
  const lines = [
    `${channel} #${release}: ${formatCount(added)} added, ${formatCount(removed)} removed, ${formatBytes(bytes)} of log`,
    `${formatCount(artifacts)} packages can be had from here${passedOver > 0 ? `; ${passedOver} files differ and were passed over` : ''}`,
    ...(share < 100
      ? [`${share} % of the followers are offered it; more with freshet rollout ${channel} ${release} --share P`]
      : []),
    ...verdictLines(verdicts),
    ...mirrors.map(
      (url) => `${url} is named as a mirror: followers may fetch from it; freshet mirror remove undoes that`,
    ),
    `apt: deb [signed-by=KEYRING] http://127.0.0.1:7070/${channel} ${suite} ${components.join(' ')}`,
  ]
  return lines.join('\n')
}
