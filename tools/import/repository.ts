/**
 * A repository to read from: a directory, or an http(s) URL. One small interface, so that the importer has one path.
 */
import { pathToFileURL, fileURLToPath } from 'node:url'
import { FreshetError } from '../../schemas/errors.ts'
import { fileUrl } from '../../schemas/mirror-url.ts'
import { openFileTree, readFileBounded, type FileTree } from './file-tree.ts'
import { get } from './http-client.ts'

export interface Repository {
  /** For errors. */
  readonly name: string
  /** Packed or plain: what to ask for first. Reading 50 MB from a disk beats unpacking it; over a network it is reversed. */
  readonly prefersPacked: boolean
  /** The directory, when the files are on this machine. */
  readonly tree: FileTree | null
  /**
   * @returns the file's bytes, or null when the repository does not have it.
   * @throws FreshetError SOURCE_UNAVAILABLE, also for a file longer than `byteLengthMax`; FILENAME_UNSAFE
   */
  read(path: string, byteLengthMax: number): Promise<Buffer | null>
  /** Only of a repository on a network. */
  url(path: string): string
}

/**
 * @param location a directory, or a URL with the scheme file, http or https.
 * @throws FreshetError SOURCE_UNAVAILABLE
 */
export async function openRepository(location: string, signal?: AbortSignal, stallMsMax?: number): Promise<Repository> {
  if (/^https?:\/\//i.test(location)) return openUrl(location, signal, stallMsMax)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location) && !/^file:/i.test(location)) {
    throw new FreshetError('SOURCE_UNAVAILABLE', `${location} is neither a directory nor http(s)`, { location })
  }
  const tree = await openFileTree(/^file:/i.test(location) ? fileURLToPath(location) : location)
  return {
    name: location,
    prefersPacked: false,
    tree,
    read: async (path, byteLengthMax) => {
      const found = await tree.find(path)
      if (found === null) return null
      return await readFileBounded(found.realPath, byteLengthMax, (byteLength) => {
        const reason = `${found.realPath} has ${byteLength} bytes, more than ${byteLengthMax}`
        return new FreshetError('SOURCE_UNAVAILABLE', reason, { path, byteLengthMax })
      })
    },
    url: (path) => pathToFileURL(`${tree.root}/${path}`).href,
  }
}

function openUrl(location: string, signal?: AbortSignal, stallMsMax?: number): Repository {
  if (!URL.canParse(location)) throw new FreshetError('SOURCE_UNAVAILABLE', `${location} is no URL`, { location })
  const base = new URL(location)
  base.search = ''
  base.hash = ''
  const url = (path: string): string => fileUrl(base.href.replace(/\/+$/, ''), path)
  return {
    name: location,
    prefersPacked: true,
    tree: null,
    read: async (path, byteLengthMax) => await get(url(path), { byteLengthMax, signal, stallMsMax }),
    url,
  }
}
