/**
 * Where the control socket of a home is.
 *
 * `HOME/control.sock`, unless that is longer than a socket path may be: then a name made of the home's hash, in a folder
 * of this user below the runtime (else the temporary) folder. Source: unix(7), the XDG Base Directory Specification.
 */
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { lstat, mkdir, stat } from 'node:fs/promises'
import { FreshetError } from '../schemas/errors.ts'
import { SOCKET_PATH_BYTES_MAX } from '../schemas/limits.ts'

const NAME = 'control.sock'

export function controlPath(home: string): string {
  const direct = join(resolve(home), NAME)
  if (fits(direct)) return direct
  const digest = createHash('sha256').update(resolve(home)).digest('hex').slice(0, 32)
  const folders = [process.env['XDG_RUNTIME_DIR'] ?? '', tmpdir(), '/tmp'].filter((folder) => folder.startsWith('/'))
  const candidates = folders.map((folder) => join(folder, `freshet-${process.getuid?.() ?? 0}`, `${digest}.sock`))
  return candidates.find(fits) ?? direct
}

/** @throws FreshetError REQUEST_REFUSED: a path that is too long would be cut, and name another socket. */
export function checkSocketPath(path: string): void {
  if (fits(path)) return
  const message = `the socket path ${path} is longer than ${SOCKET_PATH_BYTES_MAX} bytes`
  throw new FreshetError('REQUEST_REFUSED', message, { path, byteLengthMax: SOCKET_PATH_BYTES_MAX })
}

/**
 * Makes the socket's folder, for this user alone where it does not exist yet, and looks at one that does: where others
 * may write, the socket would be theirs to replace. A home may be shared with a group; a folder made for sockets may not.
 * @throws FreshetError REQUEST_REFUSED
 */
export async function ensureSocketFolder(path: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const isHome = basename(path) === NAME
  const { uid, mode } = isHome ? await stat(folder) : await lstat(folder)
  const isSticky = (mode & 0o1000) !== 0
  const isSafe = isHome ? (mode & 0o002) === 0 || isSticky : (mode & 0o170077) === 0o040000 && isTrustedOwner(uid)
  if (isSafe) return
  const message = `the folder ${folder} of the socket belongs to another user or others may write to it`
  throw new FreshetError('REQUEST_REFUSED', message, { path: folder })
}

/** Root may talk to anybody's daemon; everyone else to their own and to root's. */
export function isTrustedOwner(uid: number): boolean {
  const own = process.getuid?.()
  return own === undefined || own === 0 || uid === own || uid === 0
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX
}
