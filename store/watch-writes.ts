/**
 * Notices every failed write of a store, whoever made it.
 *
 * Replication writes what peers send without asking anybody here, and swallows the error when that fails: the store would
 * answer every later write with it and nobody would open another one. All sessions of a RocksDB share one state, which makes
 * their batches; that is the one place where each write passes.
 * Source: rocksdb-native 3.18 lib/state.js (createWriteBatch, freeBatch: batches are used again), hypercore-storage 3.3 lib/view.js.
 */
import type Corestore from 'corestore'
import type { WriteBatch } from 'corestore'

export function watchWrites(cores: Corestore, onFailed: (error: unknown) => void): void {
  const { _state: state } = cores.storage.db
  const createWriteBatch = state.createWriteBatch.bind(state)
  const watched = new WeakSet<WriteBatch>()
  state.createWriteBatch = (session, options) => {
    const batch = createWriteBatch(session, options)
    if (watched.has(batch)) return batch
    watched.add(batch)
    const flush = batch.flush.bind(batch)
    batch.flush = () => {
      const flushed = flush()
      flushed.catch(onFailed)
      return flushed
    }
    return batch
  }
}
