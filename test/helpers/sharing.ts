/** A policy of sharing with a config, a clock and a link of the test. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { Sharing, type SharingOptions } from '../../actors/ports/sharing.ts'
import { DEFAULT_CONFIG, type NodeConfig } from '../../schemas/node-config.ts'
import { UsageRecord } from '../../store/usage-record.ts'
import { scratchFolder } from './channel.ts'

export async function sharingWith(
  t: Assert,
  config: Partial<NodeConfig> = {},
  options: Partial<SharingOptions> = {},
): Promise<Sharing> {
  const onTrouble = ({ code, message }: Error & { code: string }): void => t.fail(`${code}: ${message}`)
  const sharing = await Sharing.open({
    config: { ...DEFAULT_CONFIG, ...config },
    usage: await UsageRecord.open(join(await scratchFolder(t), 'usage'), { onTrouble }),
    readFacts: null,
    now: Date.now,
    log: () => {},
    ...options,
  })
  t.teardown(() => sharing.close(), { order: -1 })
  return sharing
}
