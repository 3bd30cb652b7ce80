/** What a session opens on a home, and closes again: the store and everything that lies beside it. */
import type { FreshetError } from '../schemas/errors.ts'
import type { NodeConfig } from '../schemas/node-config.ts'
import { EvidenceFiles } from '../store/evidence-files.ts'
import { HeadRecords } from '../store/head-records.ts'
import { prepareHome } from '../store/home.ts'
import type { Home } from '../store/home.ts'
import { IndexFiles } from '../store/index-files.ts'
import { Journal } from '../store/journal.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { Store } from '../store/open-store.ts'
import { Pool } from '../store/pool.ts'
import { PreparedReleases } from '../store/prepared-releases.ts'
import { UsageRecord } from '../store/usage-record.ts'
import type { LinkFacts } from './link-policy.ts'
import { MirrorSources } from './ports/mirror-sources.ts'
import type { Network, NetworkOptions } from './ports/network.ts'
import { Sharing } from './ports/sharing.ts'

/** What a session is told. */
export interface PartsOptions {
  readonly home: Home
  /** Null: this process only reads and writes its own disk. */
  readonly network: NetworkOptions | null
  readonly config: NodeConfig
  readonly readFacts: () => Promise<LinkFacts>
  readonly now: () => number
  /** The store failed: close this session and open another. */
  readonly onFailure: (failure: FreshetError) => void
  readonly log: (level: 'info' | 'warn', message: string) => void
}

export interface SessionParts {
  readonly store: Store
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly evidence: EvidenceFiles
  readonly files: IndexFiles
  readonly prepared: PreparedReleases
  readonly journal: Journal
  readonly sharing: Sharing
  readonly mirrors: MirrorSources
  readonly network: Network | null
  /** The same over restarts, and with or without a network. */
  readonly nodeKey: KeyHex
}

/** @throws FreshetError STORE_LOCKED, STORE_COPIED, DISK_FULL, IO_ERROR, STORE_FAILED: then nothing is open. */
export async function openParts(options: PartsOptions): Promise<SessionParts> {
  const { home, now, log, onFailure } = options
  const store = await Store.open(home.store, onFailure)
  let sharing: Sharing | null = null
  try {
    await prepareHome(home)
    const pool = await Pool.open(home.pool)
    sharing = await openSharing(options)
    const mirrors = new MirrorSources({ now, log, sharing })
    return {
      store,
      pool,
      heads: await HeadRecords.open(home.heads),
      evidence: await EvidenceFiles.open(home.evidence),
      files: await IndexFiles.open(home.indexes),
      prepared: new PreparedReleases(home.prepared),
      journal: await Journal.open(store),
      mirrors,
      sharing,
      nodeKey: keyHex((await store.cores.createKeyPair('node')).publicKey),
      network: await openNetwork(options, store, pool, mirrors, sharing),
    }
  } catch (error) {
    await sharing?.close()
    await store.close()
    throw error
  }
}

/** Its modules take a fifth of a second to load: a command that only reads and writes its own disk does without them. */
async function openNetwork(
  { network, config, log }: PartsOptions,
  store: Store,
  pool: Pool,
  mirrors: MirrorSources,
  sharing: Sharing,
): Promise<Network | null> {
  if (network === null) return null
  const { Network: Opened } = await import('./ports/network.ts')
  return Opened.open({ ...network, config }, store, pool, mirrors, sharing, log)
}

async function openSharing({ home, network, config, readFacts, now, log }: PartsOptions): Promise<Sharing> {
  const onTrouble = ({ code, message }: FreshetError): void => log('warn', `the count of traffic: ${code}: ${message}`)
  const usage = await UsageRecord.open(home.usage, { onTrouble })
  return Sharing.open({ config, usage, readFacts: network === null ? null : readFacts, now, log })
}
