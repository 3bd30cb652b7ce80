/** `freshet status --watch`: looks at the node every second, and says what it sees when that is something else than before. */
import { setTimeout as pause } from 'node:timers/promises'
import { LiveView } from '../actors/live-status.ts'
import type { Node } from '../actors/node.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { FreshetError } from '../schemas/errors.ts'
import { WATCH_MS } from '../schemas/limits.ts'

/**
 * Until cancelled. Who reads slowly is told less often, never more.
 * @throws FreshetError DAEMON_UNREACHABLE where this process is no daemon: nothing would ever change.
 */
export async function watchStatus(node: Node, { signal, event }: ControlIo): Promise<unknown> {
  if (node.session.network === null) {
    throw new FreshetError('DAEMON_UNREACHABLE', 'no daemon runs on this home, so there is nothing to watch')
  }
  const view = new LiveView()
  let said = ''
  while (!signal.aborted) {
    const status = node.liveStatus(view)
    const text = JSON.stringify(status)
    if (text !== said) await event(status)
    said = text
    await pause(WATCH_MS, undefined, { signal }).catch(() => {}) // cancelled: the loop condition sees it
  }
  return {}
}
