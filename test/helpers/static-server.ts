/** A plain HTTP server of one directory that can be told to misbehave: what a mirror does on a bad day. */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import type { Assert } from 'brittle'

export interface StaticServer {
  readonly url: string
  /** Paths asked for, decoded, in order. */
  readonly requests: string[]
  /** Answers before the files do; @returns true when it has taken the request. */
  intercept: ((path: string, request: IncomingMessage, response: ServerResponse) => boolean) | null
}

export async function staticServer(t: Assert, directory: string): Promise<StaticServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').slice(1))
    state.requests.push(path)
    if (state.intercept?.(path, request, response) === true) return
    readFile(join(directory, normalize(`/${path}`))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end('no such file\n'),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const state: StaticServer = { url: `http://127.0.0.1:${port}`, requests: [], intercept: null }
  return state
}
