/** Reads one block of a core, from this disk or from peers, within the time that one block is waited for. */
import type Hypercore from 'hypercore'
import { FreshetError } from '../schemas/errors.ts'
import { BLOCK_WAIT_MS } from '../schemas/limits.ts'

/**
 * @param of what the core is, for messages.
 * @param local looks on this disk only.
 * @throws FreshetError NO_PEERS when it did not come in time, or is not here; STORE_FAILED.
 */
export async function readBlock(core: Hypercore, block: number, of: string, local: boolean): Promise<Buffer> {
  const bytes = await getBlock(core, block, of, local)
  if (bytes === null) throw new FreshetError('NO_PEERS', `block ${block} of ${of} did not arrive`, { block })
  return bytes
}

async function getBlock(core: Hypercore, block: number, of: string, local: boolean): Promise<Buffer | null> {
  try {
    return await core.get(block, local ? { wait: false } : { timeout: BLOCK_WAIT_MS })
  } catch (error) {
    if ((error as { code?: string }).code === 'REQUEST_TIMEOUT') return null
    throw new FreshetError('STORE_FAILED', `block ${block} of ${of} cannot be read`, { block }, error)
  }
}
