/** From the arguments of `freshet import` to a verified draft: chooses the importer and reads the keyrings. */
import { mkdir, readFile } from 'node:fs/promises'
import { FreshetError } from '../../schemas/errors.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { Withdrawals } from '../../schemas/withdrawal.ts'
import { countOf, flagOf, optionalTextOf, textOf, textsOf } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { importAptLists } from './apt-lists.ts'
import { importAptRepo } from './apt-repo.ts'
import { importDebDir } from './deb-dir.ts'
import { clearSign } from './openpgp.ts'

export interface AcquireOptions {
  /** `{ kind: 'apt-lists' | 'deb-dir' | 'apt-repo', ... }`: paths are absolute. */
  readonly source: Arguments
  readonly channel: string
  /** Armoured key that signs Release files of this channel, read only where one is written. */
  readonly privateKey: () => Promise<string>
  readonly staging: string
  /** Versions that an index which is made here leaves out. */
  readonly withdrawn: Withdrawals
  readonly alreadyHave: (digest: DigestHex) => boolean
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/** @throws FreshetError of the importers, KEYRING_INVALID, USAGE. */
export async function acquireDraft(options: AcquireOptions): Promise<ReleaseDraft> {
  const { source } = options
  const kind = textOf(source, 'kind')
  if (kind === 'apt-lists') return fromAptLists(source)
  if (kind === 'deb-dir') return fromDebDir(source, options)
  if (kind === 'apt-repo') return fromAptRepo(source, options)
  throw new FreshetError('USAGE', `${JSON.stringify(kind)} is no source of packages`)
}

async function fromAptLists(source: Arguments): Promise<ReleaseDraft> {
  const origin = optionalTextOf(source, 'origin')
  const listsDirectory = optionalTextOf(source, 'listsDirectory')
  const archivesDirectory = optionalTextOf(source, 'archivesDirectory')
  return importAptLists({
    suite: textOf(source, 'suite'),
    allowExpired: flagOf(source, 'allowExpired'),
    ...(origin === null ? {} : { origin }),
    ...(listsDirectory === null ? {} : { listsDirectory }),
    ...(archivesDirectory === null ? {} : { archivesDirectory }),
    ...(await keyringOf(source)),
  })
}

async function fromDebDir(
  source: Arguments,
  { channel, privateKey, withdrawn }: AcquireOptions,
): Promise<ReleaseDraft> {
  const key = await privateKey()
  const component = optionalTextOf(source, 'component')
  return importDebDir({
    directory: textOf(source, 'directory'),
    suite: optionalTextOf(source, 'suite') ?? channel,
    sign: (text) => clearSign(text, key),
    withdrawn,
    ...(component === null ? {} : { component }),
  })
}

async function fromAptRepo(source: Arguments, options: AcquireOptions): Promise<ReleaseDraft> {
  await mkdir(options.staging, { recursive: true, mode: 0o700 })
  const components = textsOf(source, 'components')
  const architectures = textsOf(source, 'architectures')
  const bytesMax = countOf(source, 'bytesMax')
  return importAptRepo({
    location: textOf(source, 'location'),
    suite: textOf(source, 'suite'),
    allowExpired: flagOf(source, 'allowExpired'),
    metadataOnly: flagOf(source, 'metadataOnly'),
    temporaryDirectory: options.staging,
    alreadyHave: options.alreadyHave,
    signal: options.signal,
    onProgress: options.onProgress,
    ...(components.length === 0 ? {} : { components }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(bytesMax === null ? {} : { bytesMax }),
    ...(await keyringOf(source)),
  })
}

/** Given keyrings replace the distribution's: nothing else is trusted then. */
async function keyringOf(source: Arguments): Promise<{ keyring?: Buffer[] }> {
  const paths = textsOf(source, 'keyrings')
  if (paths.length === 0) return {}
  const files = paths.map((path) =>
    readFile(path).catch((error: unknown) => {
      throw new FreshetError('KEYRING_INVALID', `the keyring ${path} cannot be read`, { path }, error)
    }),
  )
  return { keyring: await Promise.all(files) }
}
