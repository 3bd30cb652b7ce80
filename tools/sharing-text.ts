/** What a node gives and fetches at the moment, in one line for people. */
import type { ShareScope } from '../actors/link-policy.ts'
import type { SharingStatus } from '../actors/ports/sharing.ts'
import { formatBytes } from './output.ts'

const WITH: Readonly<Record<ShareScope, string>> = { all: 'all', lan: 'local network only', none: 'nobody' }

/** Such as `sharing: all, no caps`. */
export function sharingLine(sharing: SharingStatus): string {
  const { shareWith, fetch, uploadBytesPerSecond, downloadBytesPerSecond, reasons } = sharing
  const caps = [cap(uploadBytesPerSecond, 'up'), cap(downloadBytesPerSecond, 'down')].filter((text) => text !== '')
  const parts = [WITH[shareWith], ...(caps.length === 0 ? ['no caps'] : caps), ...(fetch ? [] : ['nothing is fetched'])]
  const why = reasons.map(({ setting, because }) => `${setting}: ${because}`).join('; ')
  return `sharing: ${parts.join(', ')}${why === '' ? '' : ` (${why})`}`
}

function cap(bytesPerSecond: number | null, direction: string): string {
  return bytesPerSecond === null ? '' : `at most ${formatBytes(bytesPerSecond)}/s ${direction}`
}
