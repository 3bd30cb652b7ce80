/** An HTTP mirror of files in memory that answers ranges as real ones do, and misbehaves where a test says so. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { RateLimit } from '../../protocols/rate-limit.ts'
import type { Scope } from './pool-fixtures.ts'

export interface MirrorRequest {
  /** Below the base, decoded. */
  readonly path: string
  readonly range: string | null
  readonly userAgent: string
}

export interface MirrorServer {
  /** Base URL. */
  readonly url: string
  readonly files: Map<string, Buffer>
  readonly requests: MirrorRequest[]
  /** Connections made so far, and the most requests that ran at once. */
  readonly load: { connections: number; atOnce: number }
  /** Answers before the files do; @returns true when it has taken the request. */
  misbehave: ((request: MirrorRequest, response: ServerResponse, files: ReadonlyMap<string, Buffer>) => boolean) | null
}

export async function mirrorServer(t: Scope, files: Readonly<Record<string, Buffer>> = {}): Promise<MirrorServer> {
  let running = 0
  const server = createServer((request, response) => {
    running++
    state.load.atOnce = Math.max(state.load.atOnce, running)
    response.once('close', () => running--)
    const asked = read(request)
    state.requests.push(asked)
    if (state.misbehave?.(asked, response, state.files) === true) return
    const bytes = state.files.get(asked.path)
    if (bytes === undefined) response.writeHead(404).end('no such file\n')
    else serve(bytes, asked.range, response)
  })
  server.on('connection', (_: Socket) => state.load.connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`
  const load = { connections: 0, atOnce: 0 }
  const state: MirrorServer = { url, files: new Map(Object.entries(files)), requests: [], load, misbehave: null }
  return state
}

function read({ url = '/', headers }: IncomingMessage): MirrorRequest {
  const path = decodeURIComponent(url).replace(/^\/debian\//, '')
  return { path, range: headers.range ?? null, userAgent: headers['user-agent'] ?? '' }
}

/** One range, or everything. */
export function serve(bytes: Buffer, range: string | null, response: ServerResponse): void {
  response.end(begin(bytes, range, response))
}

/** As `serve`, over a link with a delay and a rate that all its requests share. */
export function servedOver(limit: RateLimit, delayMs: number): NonNullable<MirrorServer['misbehave']> {
  return ({ path, range }, response, files) => {
    const bytes = files.get(path)
    if (bytes === undefined) return false
    void (async () => {
      await pause(delayMs)
      const part = begin(bytes, range, response)
      for (let at = 0; at < part.byteLength && !response.destroyed; at += CHUNK_BYTES) {
        const chunk = part.subarray(at, at + CHUNK_BYTES)
        for (let waitMs = 1; waitMs > 0;) {
          waitMs = limit.delayMs(chunk.byteLength, performance.now())
          if (waitMs > 0) await pause(waitMs)
        }
        limit.spend(chunk.byteLength, performance.now())
        response.write(chunk)
      }
      response.end()
    })()
    return true
  }
}

/** Ten frames of Ethernet. */
const CHUNK_BYTES = 14_480

/** @returns what is to follow the head of the answer. */
function begin(bytes: Buffer, range: string | null, response: ServerResponse): Buffer {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (first === undefined || last === undefined) {
    response.writeHead(200, { 'content-length': bytes.byteLength })
    return bytes
  }
  const part = bytes.subarray(Number(first), Number(last) + 1)
  const contentRange = `bytes ${first}-${Number(first) + part.byteLength - 1}/${bytes.byteLength}`
  response.writeHead(206, { 'content-range': contentRange, 'content-length': part.byteLength })
  return part
}
