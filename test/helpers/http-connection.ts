/** HTTP as apt speaks it: one connection for all requests; and targets that no proper client would send. */
import { Agent, request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import type { Assert } from 'brittle'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type HttpGet = (
  url: string,
  options?: { method?: string; headers?: Record<string, string> },
) => Promise<HttpAnswer>

/** All requests of the returned function share a connection, as those of one apt to one host do. */
export function httpConnection(t: Assert): HttpGet {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy(), { order: -1 })
  return async (url, { method = 'GET', headers = {} } = {}) => {
    return await new Promise((resolve, reject) => {
      const asked = request(url, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
        })
      })
      asked.once('error', reject)
      asked.end()
    })
  }
}

/** Sends `GET target` exactly as written. @returns the answer with its headers, as text. */
export async function rawGet(port: number, target: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}
