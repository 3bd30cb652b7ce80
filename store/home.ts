/**
 * What lies where in a node's home (--home, default $XDG_DATA_HOME/freshet), and the lock that gives it to one process.
 *
 *   store/     Corestore: logs, indexes, journal         source; a copy of it is a copied publisher
 *   keys/      OpenPGP private keys of own channels      source, mode 0600
 *   heads/     newest accepted head per channel          source: shows a store that lost its tail
 *   evidence/  what channels' keys signed against themselves   kept for ever
 *   prepared/  releases that wait for signatures         source until they are committed
 *   pool/      artifacts by SHA-256                      fetched again when missing
 *   indexes/   rebuilt index files by SHA-256            derived, safe to delete
 *   freshet.conf   settings, for its owner to edit; missing: all as by default
 *   usage      traffic by month                          counted anew when missing
 *   staging/   downloads of an import under way          emptied at start
 */
import { mkdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { asIoError } from './durable.ts'

export interface Home {
  readonly directory: string
  readonly store: string
  readonly keys: string
  readonly heads: string
  readonly evidence: string
  readonly prepared: string
  readonly pool: string
  readonly indexes: string
  readonly staging: string
  readonly config: string
  readonly usage: string
}

export function defaultHome(environment: NodeJS.ProcessEnv = process.env): string {
  const data = environment['XDG_DATA_HOME']
  return join(data !== undefined && data !== '' ? data : join(homedir(), '.local', 'share'), 'freshet')
}

export function homeAt(directory: string): Home {
  const root = resolve(directory)
  const at = (name: string): string => join(root, name)
  return {
    directory: root,
    store: at('store'),
    keys: at('keys'),
    heads: at('heads'),
    evidence: at('evidence'),
    prepared: at('prepared'),
    pool: at('pool'),
    indexes: at('indexes'),
    staging: at('staging'),
    config: at('freshet.conf'),
    usage: at('usage'),
  }
}

/** Makes the folders. Only call it once the store is locked: it empties staging. */
export async function prepareHome(home: Home): Promise<void> {
  try {
    await rm(home.staging, { recursive: true, force: true })
    const { keys, heads, evidence, prepared, pool, indexes, staging } = home
    for (const directory of [keys, heads, evidence, prepared, pool, indexes, staging]) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
    }
  } catch (error) {
    throw asIoError(error, home.directory)
  }
}
