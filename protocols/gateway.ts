/**
 * The HTTP front door: any channel at any release for an unmodified apt.
 *
 *   http://127.0.0.1:7070/CHANNEL[@WHEN]/dists/SUITE/...   and   .../pool/...
 *
 * Owns connections, their bounds and who may ask; refuses everything but GET and HEAD of its own names. It forwards
 * nothing. Sources: RFC 9110, RFC 9112; bounds are in schemas/limits.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import {
  GATEWAY_CONNECTIONS_MAX,
  GATEWAY_FIRST_BYTE_MS_MAX,
  GATEWAY_HEADER_BYTES_MAX,
  GATEWAY_HEADERS_MS_MAX,
  GATEWAY_KEEP_ALIVE_MS,
  GATEWAY_PIPELINE_MAX,
  GATEWAY_STALL_MS_MAX,
} from '../schemas/limits.ts'
import { type Found, isDateStrong, ReleaseChooser } from './gateway-choose.ts'
import { httpDate, matchesDate, matchesEtag, mayContinue, validatorsOf } from './gateway-conditions.ts'
import { gatewayPage } from './gateway-page.ts'
import { type GatewayPath, isByHash, parseAuthority, parseGatewayPath, parseRequestTarget } from './gateway-path.ts'
import type { Pin } from './gateway-pins.ts'
import { type Exchange, type Headers, sendError, sendFile, sendText, within } from './gateway-respond.ts'
import type { GatewaySource } from './gateway-source.ts'

export interface GatewayOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly source: GatewaySource
  /** Names beside the loopback ones and the bound address that a request's Host may have. */
  readonly allowedHosts?: readonly string[]
  /** Told of failures that are ours or the source's, for the log. */
  readonly onError?: (error: FreshetError) => void
  /** How long the first byte of an answer may take. Default GATEWAY_FIRST_BYTE_MS_MAX. */
  readonly firstByteMsMax?: number
}

export interface Gateway {
  readonly host: string
  readonly port: number
  readonly url: string
  close(): Promise<void>
}

interface Connection {
  readonly socket: Socket
  readonly pins: Map<string, Pin>
  readonly gone: AbortController
  /** Requests are answered one after the other: what the first one pins holds for the next. */
  tail: Promise<void>
  waiting: number
}

interface Context {
  readonly source: GatewaySource
  readonly chooser: ReleaseChooser
  readonly hosts: ReadonlySet<string>
  readonly onError: (error: FreshetError) => void
  readonly firstByteMsMax: number
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1']
/** Bound to these, a server has no address of its own; as a Host they are a known way around the check of origins. */
const ANY_ADDRESSES = new Set(['0.0.0.0', '::'])

/** @throws FreshetError ADDRESS_IN_USE or IO_ERROR when it cannot listen. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { host, source, allowedHosts = [], onError = () => undefined } = options
  const { firstByteMsMax = GATEWAY_FIRST_BYTE_MS_MAX } = options
  const names = [...LOOPBACK_NAMES, host, ...allowedHosts].map((name) => name.toLowerCase())
  const context: Context = {
    source,
    chooser: new ReleaseChooser(source, Date.now),
    hosts: new Set(names.filter((name) => !ANY_ADDRESSES.has(name))),
    onError,
    firstByteMsMax,
  }
  const server = createServer({
    maxHeaderSize: GATEWAY_HEADER_BYTES_MAX,
    headersTimeout: GATEWAY_HEADERS_MS_MAX,
    requestTimeout: GATEWAY_HEADERS_MS_MAX, // no request has a body, so its headers are all of it
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: GATEWAY_KEEP_ALIVE_MS,
  })
  serveConnections(server, context)
  await listen(server, host, options.port)
  server.on('error', (error) => onError(asFreshetError(error)))
  const { port } = server.address() as AddressInfo
  return { host, port, url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, close: () => close(server) }
}

function serveConnections(server: Server, context: Context): void {
  const connections = new Map<Duplex, Connection>()
  server.on('connection', (socket: Socket) => {
    if (connections.size >= GATEWAY_CONNECTIONS_MAX && !evictIdle(connections)) {
      socket.destroy()
      return
    }
    const connection = { socket, pins: new Map(), gone: new AbortController(), tail: Promise.resolve(), waiting: 0 }
    connections.set(socket, connection)
    socket.once('close', () => {
      connections.delete(socket)
      connection.gone.abort(new FreshetError('INTERRUPTED', 'the client closed the connection'))
    })
  })
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.get(request.socket)
    if (connection === undefined || connection.waiting >= GATEWAY_PIPELINE_MAX) {
      request.socket.destroy()
      return
    }
    connection.waiting += 1
    connection.tail = connection.tail
      .then(async () => await answer(request, response, connection, context))
      .finally(() => {
        connection.waiting -= 1
        // Used last, so evicted last.
        if (connections.delete(connection.socket) && !connection.socket.destroyed) {
          connections.set(connection.socket, connection)
        }
      })
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest) // a body is refused, so nobody is told to send one
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined) // the answer is a courtesy
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
}

/** A crowd of idle connections must not keep apt out: the one that was idle longest makes room. */
function evictIdle(connections: Map<Duplex, Connection>): boolean {
  for (const [socket, { waiting }] of connections) {
    if (waiting > 0) continue
    connections.delete(socket)
    socket.destroy()
    return true
  }
  return false
}

/** Never rejects: whatever fails becomes an answer or a cut connection. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  context: Context,
): Promise<void> {
  if (connection.gone.signal.aborted) return
  const over = new AbortController()
  const onGone = (): void => over.abort(connection.gone.signal.reason)
  connection.gone.signal.addEventListener('abort', onGone, { once: true })
  response.on('error', (error) => context.onError(asFreshetError(error)))
  const firstByteAtMs = performance.now() + context.firstByteMsMax
  const exchange: Exchange = { request, response, signal: over.signal, firstByteAtMs }
  try {
    const path = admit(exchange, context)
    if (path !== null) await serve(exchange, path, connection, context)
    await within(finished(response), over.signal, GATEWAY_STALL_MS_MAX)
  } catch (error) {
    const known = asFreshetError(error)
    if (!connection.gone.signal.aborted && (known.code === 'INTERNAL' || response.headersSent)) context.onError(known)
    sendError(exchange, known)
  } finally {
    connection.gone.signal.removeEventListener('abort', onGone)
    over.abort() // whatever is still being read for this answer has no reader
  }
}

/** @returns null when the request was refused and answered. @throws FreshetError PATH_INVALID */
function admit(exchange: Exchange, { hosts }: Context): GatewayPath | null {
  const { request, response } = exchange
  const refuse = (status: number, reason: string, headers: Headers = {}): null => {
    response.shouldKeepAlive = false
    sendError(exchange, new FreshetError('REQUEST_REFUSED', reason), status, headers)
    return null
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(405, 'only GET and HEAD are served', { Allow: 'GET, HEAD' })
  }
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) !== 0
  if (hasBody) return refuse(400, 'a request has no body here')
  const { localAddress, localPort } = request.socket
  const isOurs = (hostname: string): boolean =>
    hosts.has(hostname) || (localAddress !== undefined && hostname === localAddress.replace(/^::ffff:/, ''))
  const hostFields = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  const host = parseAuthority(request.headers.host ?? '')
  if (hostFields.length > 1) return refuse(400, 'a request names one Host')
  if (host === null || !isOurs(host.hostname))
    return refuse(421, 'the Host of the request is not a name of this gateway')
  const target = parseRequestTarget(request.url ?? '')
  if (target === null) return refuse(400, 'the request target is neither a path nor an http URL')
  const { authority } = target
  if (authority !== null && (!isOurs(authority.hostname) || (authority.port ?? 80) !== localPort)) {
    return refuse(421, 'requests for other servers are not forwarded')
  }
  return parseGatewayPath(target.path)
}

async function serve(exchange: Exchange, path: GatewayPath, connection: Connection, context: Context): Promise<void> {
  const { request, response, signal } = exchange
  const inTime = async <T>(promise: Promise<T>): Promise<T> =>
    await within(promise, signal, Math.max(0, exchange.firstByteAtMs - performance.now()))
  if (path.channel === null) {
    const channels = (await inTime(context.source.describe?.() ?? Promise.resolve([]))) ?? []
    return sendText(exchange, 200, gatewayPage(`http://${request.headers.host ?? ''}`, channels))
  }
  if (path.path === '') throw new FreshetError('NOT_FOUND', 'a channel has no page: ask for dists/... or pool/...')
  const wanted = { ...path, channel: path.channel }
  const client = { connectionPins: connection.pins, identity: identityOf(request) }
  const found = await inTime(context.chooser.find(wanted, client))
  const validators = validatorsOf(found.file.digest, found.file.modifiedAtMs, Date.now())
  const headers = headersOf(found, wanted.path, validators)
  const {
    'if-none-match': ifNoneMatch,
    'if-modified-since': ifModifiedSince,
    'if-range': ifRange,
    range,
  } = request.headers
  const byDate = isDateStrong(found, wanted.path)
  const isUnchanged = matchesEtag(ifNoneMatch, validators) ?? (byDate && matchesDate(ifModifiedSince, validators))
  if (isUnchanged) {
    response.writeHead(304, headers)
    response.end()
    return
  }
  const isRangeMeant = request.method === 'GET' && range !== undefined
  const isContinued = isRangeMeant && mayContinue(joined(ifRange), validators, byDate)
  await sendFile(exchange, found.file, headers, isContinued ? range : undefined)
}

/** What stays the same when the client connects again; bounded, since it is a key of the pin table. */
function identityOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ''} ${(request.headers['user-agent'] ?? '').slice(0, 256)}`
}

function joined(field: string | string[] | undefined): string | undefined {
  return Array.isArray(field) ? field.join(', ') : field
}

function headersOf({ release, file }: Found, path: string, validators: ReturnType<typeof validatorsOf>): Headers {
  const isImmutable = file.kind === 'artifact' || isByHash(path)
  const headers: Headers = {
    'Content-Type': contentType(path, file.kind),
    'X-Content-Type-Options': 'nosniff',
    'Accept-Ranges': 'bytes',
    'Cache-Control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Freshet-Channel': fieldValue(release.channelId),
    'Freshet-Release': String(release.number),
  }
  const modified = httpDate(validators)
  if (modified !== null) headers['Last-Modified'] = modified
  if (validators.etag !== null) headers['ETag'] = validators.etag
  if (release.notices.length > 0) headers['Freshet-Notice'] = fieldValue(release.notices.join(', '))
  return headers
}

function contentType(path: string, kind: Found['file']['kind']): string {
  if (/\.u?deb$/.test(path)) return 'application/vnd.debian.binary-package'
  return kind === 'release' && !path.endsWith('.gpg') ? 'text/plain; charset=utf-8' : 'application/octet-stream'
}

/** Printable ASCII only, so that no text of a publisher can make a header of its own. */
function fieldValue(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 1024)
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const detail = { host, port, errno: error.code ?? '' }
      reject(
        error.code === 'EADDRINUSE'
          ? new FreshetError('ADDRESS_IN_USE', `another program listens on ${host} port ${port}`, detail, error)
          : new FreshetError('IO_ERROR', `cannot listen on ${host} port ${port}: ${error.message}`, detail, error),
      )
    })
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
