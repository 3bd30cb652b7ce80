/** What a session opens on a home, and closes again: the store and everything that lies beside it. */
import type { FreshetError } from '../schemas/errors.ts'
import { EvidenceFiles } from '../store/evidence-files.ts'
import { HeadRecords } from '../store/head-records.ts'
import { prepareHome } from '../store/home.ts'
import type { Home } from '../store/home.ts'
import { IndexFiles } from '../store/index-files.ts'
import { Journal } from '../store/journal.ts'
import { Store } from '../store/open-store.ts'
import { Pool } from '../store/pool.ts'
import { PreparedReleases } from '../store/prepared-releases.ts'
import { MirrorSources } from './ports/mirror-sources.ts'
import { Network } from './ports/network.ts'
import type { NetworkOptions } from './ports/network.ts'

export interface SessionParts {
  readonly store: Store
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly evidence: EvidenceFiles
  readonly files: IndexFiles
  readonly prepared: PreparedReleases
  readonly journal: Journal
  readonly mirrors: MirrorSources
  readonly network: Network | null
}

/** What a session is told. */
export interface PartsOptions {
  readonly home: Home
  /** Null: this process only reads and writes its own disk. */
  readonly network: NetworkOptions | null
  readonly now: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
  /** The store failed: close this session and open another. */
  readonly onFailure: (failure: FreshetError) => void
}

/** @throws FreshetError STORE_LOCKED, STORE_COPIED, DISK_FULL, IO_ERROR, STORE_FAILED: then nothing is open. */
export async function openParts({ home, network, now, log, onFailure }: PartsOptions): Promise<SessionParts> {
  const store = await Store.open(home.store, onFailure)
  try {
    await prepareHome(home)
    const pool = await Pool.open(home.pool)
    const mirrors = new MirrorSources({ now, log })
    return {
      store,
      pool,
      heads: await HeadRecords.open(home.heads),
      evidence: await EvidenceFiles.open(home.evidence),
      files: await IndexFiles.open(home.indexes),
      prepared: new PreparedReleases(home.prepared),
      journal: await Journal.open(store),
      mirrors,
      network: network === null ? null : await Network.open(network, store, pool, mirrors, log),
    }
  } catch (error) {
    await store.close()
    throw error
  }
}
