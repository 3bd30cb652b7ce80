/** Clients and contents for the tests of the gateway: real HTTP, a source in memory with one small package per generation. */
import type { Assert } from 'brittle'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Gateway, type GatewayOptions, startGateway } from '../../protocols/gateway.ts'
import type { GatewaySource } from '../../protocols/gateway-source.ts'
import { MemorySource, type MemorySourceOptions, sha256 } from './memory-gateway-source.ts'

export const IN_RELEASE = 'dists/stable/InRelease'
export const PACKAGES = 'dists/stable/main/binary-amd64/Packages'
export const POOL = 'pool/main/a/a_1_amd64.deb'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export async function serve(t: Assert, source: GatewaySource, options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, source, ...options })
  t.teardown(() => gateway.close())
  return gateway
}

export function demo(options: MemorySourceOptions = {}, generations = 1): MemorySource {
  const source = new MemorySource(options)
  for (let n = 1; n <= generations; n += 1) source.publish(generation(n))
  return source
}

export function generation(n: number): Record<string, string> {
  const packages = `Package: a\nVersion: ${n}\n`
  return {
    [IN_RELEASE]: `InRelease ${n}`,
    [PACKAGES]: packages,
    [byHash(n)]: packages,
    [`pool/main/a/a_${n}_amd64.deb`]: `deb ${n}`,
  }
}

export function byHash(n: number): string {
  return `dists/stable/main/binary-amd64/by-hash/SHA256/${sha256(Buffer.from(`Package: a\nVersion: ${n}\n`))}`
}

export interface AskOptions {
  readonly headers?: Record<string, string>
  readonly method?: string
  readonly agent?: Agent
}

/** @throws when the body is cut short. */
export async function ask(gateway: Gateway, path: string, options: AskOptions = {}): Promise<Answer> {
  const { headers = {}, method = 'GET', agent } = options
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: gateway.host, port: gateway.port, path, method, headers, ...(agent === undefined ? {} : { agent }) },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
      },
    )
    request.on('error', reject)
    request.end()
  })
}

/** Writes `text` as it is and reads until the server closes. */
export async function raw(gateway: Gateway, text: string): Promise<string> {
  const socket = connect(gateway.port, gateway.host)
  socket.write(text)
  return await readAll(socket)
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined) // a reset is one of the ways to be refused
  await new Promise((resolve) => socket.once('close', resolve)) // events.once would reject on a reset
  return Buffer.concat(chunks).toString('latin1')
}

/** One connection, one request at a time. */
export function oneConnection(t: Assert): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return agent
}
