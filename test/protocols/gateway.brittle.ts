import test, { type Assert } from 'brittle'
import { once } from 'node:events'
import { Agent, get, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Gateway, type GatewayOptions, startGateway } from '../../protocols/gateway.ts'
import type { GatewaySource } from '../../protocols/gateway-source.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { MemorySource, type MemorySourceOptions, readChunks, sha256 } from '../helpers/memory-gateway-source.ts'

const IN_RELEASE = 'dists/stable/InRelease'
const PACKAGES = 'dists/stable/main/binary-amd64/Packages'
const POOL = 'pool/main/a/a_1_amd64.deb'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function serve(t: Assert, source: GatewaySource, options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, source, ...options })
  t.teardown(() => gateway.close())
  return gateway
}

function demo(options: MemorySourceOptions = {}, generations = 1): MemorySource {
  const source = new MemorySource(options)
  for (let n = 1; n <= generations; n += 1) source.publish(generation(n))
  return source
}

function generation(n: number): Record<string, string> {
  const packages = `Package: a\nVersion: ${n}\n`
  return {
    [IN_RELEASE]: `InRelease ${n}`,
    [PACKAGES]: packages,
    [byHash(n)]: packages,
    [`pool/main/a/a_${n}_amd64.deb`]: `deb ${n}`,
  }
}

function byHash(n: number): string {
  return `dists/stable/main/binary-amd64/by-hash/SHA256/${sha256(Buffer.from(`Package: a\nVersion: ${n}\n`))}`
}

interface AskOptions {
  readonly headers?: Record<string, string>
  readonly method?: string
  readonly agent?: Agent
}

/** @throws when the body is cut short. */
async function ask(gateway: Gateway, path: string, options: AskOptions = {}): Promise<Answer> {
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
async function raw(gateway: Gateway, text: string): Promise<string> {
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
function oneConnection(t: Assert): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return agent
}

test('gateway: a file of a release → its bytes, validators and cache rules', async (t) => {
  const gateway = await serve(t, demo({ notices: ['frozen', 'evil\r\nX: y'] }))
  const release = await ask(gateway, `/demo/${IN_RELEASE}`)
  t.is(release.status, 200)
  t.is(release.body.toString(), 'InRelease 1')
  t.is(release.headers.etag, `"${sha256(Buffer.from('InRelease 1'))}"`)
  t.is(release.headers['last-modified'], 'Tue, 14 Nov 2023 22:13:20 GMT')
  t.is(release.headers['cache-control'], 'no-cache')
  t.is(release.headers['freshet-release'], '1')
  t.is(release.headers['freshet-notice'], 'frozen, evil??X: y')
  t.is(release.headers['x'], undefined)
  const deb = await ask(gateway, `/demo/${POOL}`)
  t.is(deb.body.toString(), 'deb 1')
  t.is(deb.headers['content-type'], 'application/vnd.debian.binary-package')
  t.ok(deb.headers['cache-control']?.includes('immutable'))
  t.ok((await ask(gateway, `/demo/${byHash(1)}`)).headers['cache-control']?.includes('immutable'))
  const head = await ask(gateway, `/demo/${POOL}`, { method: 'HEAD' })
  t.is(head.headers['content-length'], '5')
  t.is(head.body.byteLength, 0)
})

test('gateway: unknown channel, release, suite or file → 404 with its code', async (t) => {
  const gateway = await serve(t, demo())
  const cases = [
    ['/other/pool/a.deb', 404, 'CHANNEL_UNKNOWN'],
    ['/demo@9/pool/a.deb', 404, 'RELEASE_UNKNOWN'],
    ['/demo/pool/b.deb', 404, 'NOT_FOUND'],
    ['/demo/dists/testing/InRelease', 404, 'NOT_FOUND'],
    ['/demo', 404, 'NOT_FOUND'],
    ['/demo/%2e%2e/etc/passwd', 400, 'PATH_INVALID'],
    ['/demo//pool', 400, 'PATH_INVALID'],
  ] as const
  for (const [path, status, code] of cases) {
    const answer = await ask(gateway, path)
    t.is(answer.status, status, path)
    t.ok(answer.body.toString().startsWith(`${code}: `), answer.body.toString().trim())
  }
  const empty = await ask(await serve(t, new MemorySource()), `/demo/${IN_RELEASE}`)
  t.is(empty.status, 503, 'a channel without a release may have one soon')
  t.ok(Number(empty.headers['retry-after']) > 0)
})

test('gateway: the root → a page with the lines for apt', async (t) => {
  const gateway = await serve(t, demo({ notices: ['a\nb'] }))
  const page = await ask(gateway, '/')
  t.is(page.status, 200)
  t.ok(page.body.toString().includes(`\ndeb ${gateway.url}/demo stable main\n`))
  t.ok(page.body.toString().includes('a?b'))
})

test('gateway: ranges → one part, several parts, none', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  const source = new MemorySource()
  source.publish({ [POOL]: bytes, 'pool/empty.deb': '' })
  const gateway = await serve(t, source)
  const one = await ask(gateway, `/demo/${POOL}`, { headers: { Range: 'bytes=70000-140000' } })
  t.is(one.status, 206)
  t.is(one.headers['content-range'], 'bytes 70000-140000/300000')
  t.ok(one.body.equals(bytes.subarray(70_000, 140_001)))
  const two = await ask(gateway, `/demo/${POOL}`, { headers: { Range: 'bytes=0-9,-5' } })
  const boundary = /boundary=([0-9a-f]+)/.exec(two.headers['content-type'] ?? '')?.[1] ?? ''
  const parts = two.body.toString('latin1').split(`\r\n--${boundary}`)
  t.is(two.status, 206)
  t.is(parts.length, 4)
  t.ok(parts[1]?.includes('Content-Range: bytes 0-9/300000'))
  t.ok(parts[2]?.endsWith(bytes.subarray(-5).toString('latin1')))
  t.is(parts[3], '--\r\n')
  const none = await ask(gateway, `/demo/${POOL}`, { headers: { Range: 'bytes=300000-' } })
  t.is(none.status, 416)
  t.is(none.headers['content-range'], 'bytes */300000')
  const many = await ask(gateway, `/demo/${POOL}`, {
    headers: { Range: `bytes=${Array.from({ length: 1000 }, (_, index) => `${index}-${index}`).join(',')}` },
  })
  t.is(many.status, 416)
  const whole = await ask(gateway, '/demo/pool/empty.deb')
  t.is(whole.status, 200)
  t.is(whole.body.byteLength, 0)
})

test('gateway: If-Range → continued only where the bytes must be the same', async (t) => {
  const gateway = await serve(t, demo({}, 2))
  const headers = { Range: 'bytes=2-' }
  const { etag = '', 'last-modified': date = '' } = (await ask(gateway, '/demo/pool/main/a/a_2_amd64.deb')).headers
  const status = async (path: string, ifRange: string): Promise<number> =>
    (await ask(gateway, path, { headers: { ...headers, 'If-Range': ifRange } })).status
  t.is(await status('/demo/pool/main/a/a_2_amd64.deb', etag), 206)
  t.is(await status('/demo/pool/main/a/a_2_amd64.deb', date), 206)
  t.is(await status('/demo/pool/main/a/a_2_amd64.deb', '"other"'), 200)
  t.is(await status(`/demo/${PACKAGES}`, date), 200, 'a plain index of the same second may be another one')
})

test('gateway: the copy is current → 304; another release of the same second → 200', async (t) => {
  const source = demo({}, 2)
  const gateway = await serve(t, source)
  const first = await ask(gateway, `/demo/${IN_RELEASE}`)
  const etag = { 'If-None-Match': first.headers.etag ?? '' }
  const date = { 'If-Modified-Since': first.headers['last-modified'] ?? '' }
  t.is((await ask(gateway, `/demo/${IN_RELEASE}`, { headers: etag })).status, 304)
  t.is((await ask(gateway, `/demo/${IN_RELEASE}`, { headers: date })).status, 304)
  source.publish(generation(3), (source.releases.at(-1)?.releasedAtMs ?? 0) + 200)
  t.is((await ask(gateway, `/demo/${IN_RELEASE}`, { headers: etag })).status, 200)
  const third = await ask(gateway, `/demo/${IN_RELEASE}`, { headers: date })
  t.is(third.headers['last-modified'], date['If-Modified-Since'], 'both releases have this date')
  t.is(third.status, 200)
  t.is(third.body.toString(), 'InRelease 3')
})

test('gateway: a release is published in the middle of a session → the session stays on its own', async (t) => {
  const source = demo()
  const gateway = await serve(t, source)
  const agent = oneConnection(t)
  const text = async (path: string, options: AskOptions = {}): Promise<string> =>
    (await ask(gateway, `/demo/${path}`, options)).body.toString()
  t.is(await text(IN_RELEASE, { agent }), 'InRelease 1')
  source.publish(generation(2))
  t.ok((await text(PACKAGES, { agent })).includes('Version: 1'), 'the same connection')
  t.ok((await text(PACKAGES)).includes('Version: 1'), 'another connection of the same client')
  const other = { headers: { 'User-Agent': 'another client' } }
  t.ok((await text(PACKAGES, other)).includes('Version: 2'), 'another client has no session')
  t.is(await text('pool/main/a/a_2_amd64.deb', { agent }), 'deb 2', 'a file of another release, named by its content')
  t.is(await text(IN_RELEASE, { agent }), 'InRelease 2')
  t.ok((await text(PACKAGES, { agent })).includes('Version: 2'), 'the pin moved with InRelease')
  t.is(await text(POOL, { agent }), 'deb 1', 'apt may install from an older list')
  t.ok((await text(byHash(1), { agent })).includes('Version: 1'))
})

test('gateway: a session on one connection, another of the same client beside it → not mixed', async (t) => {
  const source = demo()
  const gateway = await serve(t, source)
  const agent = oneConnection(t)
  await ask(gateway, `/demo/${IN_RELEASE}`, { agent })
  source.publish(generation(2))
  await ask(gateway, `/demo/${IN_RELEASE}`)
  t.ok((await ask(gateway, `/demo/${PACKAGES}`, { agent })).body.toString().includes('Version: 1'))
})

test('gateway: InRelease answered 304 → the pin moves all the same', async (t) => {
  const source = demo()
  const gateway = await serve(t, source)
  const [one, two] = [oneConnection(t), oneConnection(t)]
  await ask(gateway, `/demo/${IN_RELEASE}`, { agent: one })
  source.publish(generation(2))
  const current = await ask(gateway, `/demo/${IN_RELEASE}`, { agent: two })
  const headers = { 'If-None-Match': current.headers.etag ?? '' }
  t.is((await ask(gateway, `/demo/${IN_RELEASE}`, { agent: one, headers })).status, 304)
  t.ok((await ask(gateway, `/demo/${PACKAGES}`, { agent: one })).body.toString().includes('Version: 2'))
})

test('gateway: an explicit release → that one, and no file of another', async (t) => {
  const gateway = await serve(t, demo({}, 3))
  for (const when of ['2', '%232']) {
    t.is((await ask(gateway, `/demo@${when}/${IN_RELEASE}`)).body.toString(), 'InRelease 2')
    t.ok((await ask(gateway, `/demo@${when}/${PACKAGES}`)).body.toString().includes('Version: 2'))
    t.is((await ask(gateway, `/demo@${when}/pool/main/a/a_3_amd64.deb`)).status, 404)
  }
})

test('gateway: the read fails before the first byte → 503 or 504 with the code', async (t) => {
  for (const [code, status] of [
    ['NO_PEERS', 503],
    ['ARTIFACT_UNAVAILABLE', 503],
    ['PEER_SLOW', 504],
  ] as const) {
    const source = demo({
      // eslint-disable-next-line require-yield
      read: async function* () {
        throw new FreshetError(code, 'no peer has it')
      },
    })
    const answer = await ask(await serve(t, source), `/demo/${POOL}`)
    t.is(answer.status, status)
    t.is(answer.body.toString(), `${code}: no peer has it\n`)
    t.ok(Number(answer.headers['retry-after']) > 0)
  }
})

test('gateway: nothing arrives in time → 504, and the connection serves the next request', async (t) => {
  const source = demo({
    read: async function* (path, bytes) {
      if (path === POOL) await new Promise(() => undefined) // a source that obeys no signal
      yield bytes
    },
  })
  const gateway = await serve(t, source, { firstByteMsMax: 50 })
  const agent = oneConnection(t)
  const answer = await ask(gateway, `/demo/${POOL}`, { agent })
  t.is(answer.status, 504)
  t.ok(answer.body.toString().startsWith('PEER_SLOW: '))
  t.is((await ask(gateway, `/demo/${IN_RELEASE}`, { agent })).status, 200)
})

test('gateway: the read fails, ends early or gives too much after the headers → the connection is cut', async (t) => {
  const failures: Record<string, MemorySourceOptions['read']> = {
    'fails half way': async function* (_path, bytes) {
      yield bytes.subarray(0, 50_000)
      throw new FreshetError('PIECE_MISMATCH', 'bad piece')
    },
    'fails after its last byte': async function* (_path, bytes) {
      yield bytes.subarray(0, 50_000)
      yield bytes.subarray(50_000)
      throw new Error('the digest of the whole differs')
    },
    'ends early': async function* (_path, bytes) {
      yield bytes.subarray(0, 50_000)
    },
    'gives too much': async function* (_path, bytes) {
      yield bytes.subarray(0, 50_000)
      yield bytes
    },
  }
  for (const [what, read] of Object.entries(failures)) {
    const errors: FreshetError[] = []
    const source = new MemorySource(read === undefined ? {} : { read })
    source.publish({ [POOL]: Buffer.alloc(100_000, 1) })
    const gateway = await serve(t, source, { onError: (error) => errors.push(error) })
    await t.exception(ask(gateway, `/demo/${POOL}`), /aborted/, what)
    t.is(errors.length, 1)
    const wire = await raw(gateway, `GET /demo/${POOL} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    t.ok(wire.includes('Content-Length: 100000'))
    t.ok(wire.slice(wire.indexOf('\r\n\r\n') + 4).length < 100_000, 'fewer bytes than promised')
  }
})

test('gateway: the source throws anything at all → 500 and it lives on', async (t) => {
  const errors: FreshetError[] = []
  const thrown: unknown[] = [new TypeError('secret /root/path'), 'a string', null]
  const source: GatewaySource = {
    resolve: async () => {
      throw thrown.shift()
    },
  }
  const gateway = await serve(t, source, { onError: (error) => errors.push(error) })
  for (let n = 0; n < 3; n += 1) {
    const answer = await ask(gateway, `/demo/${POOL}`)
    t.is(answer.status, 500)
    t.absent(answer.body.toString().includes('secret'))
  }
  t.is(errors.length, 3)
})

test('gateway: the client leaves → the read is aborted', async (t) => {
  let aborted: (() => void) | undefined
  const gone = new Promise<void>((resolve) => (aborted = resolve))
  const source = new MemorySource({
    read: async function* (_path, bytes, _start, _end, signal) {
      signal.addEventListener('abort', () => aborted?.())
      yield bytes.subarray(0, 10)
      await new Promise(() => undefined) // a source that obeys no signal
    },
  })
  source.publish({ [POOL]: Buffer.alloc(100) })
  const gateway = await serve(t, source)
  const request = get({ host: gateway.host, port: gateway.port, path: `/demo/${POOL}` })
  request.on('error', () => undefined) // our own abort
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
  await once(response, 'data')
  response.on('error', () => undefined)
  request.destroy()
  await gone
  t.pass()
})

test('gateway: the client does not read → the source is not read ahead without bound', async (t) => {
  let bytesRead = 0
  const source = new MemorySource({
    read: async function* (path, bytes, start, end) {
      for await (const chunk of readChunks(path, bytes, start, end)) {
        bytesRead += chunk.byteLength
        yield chunk
      }
    },
  })
  const bytes = Buffer.alloc(64 * 1024 * 1024, 7)
  source.publish({ [POOL]: bytes })
  const gateway = await serve(t, source)
  const socket = connect({ port: gateway.port, host: gateway.host })
  t.teardown(() => socket.destroy())
  socket.write(`GET /demo/${POOL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  await once(socket, 'readable')
  // Answered in full while the first client still does not read: the loop is free.
  t.is((await ask(gateway, '/')).status, 200)
  t.ok(bytesRead < 32 * 1024 * 1024, `${bytesRead} bytes read for a client that took none`)
  let received = 0
  socket.on('data', (chunk: Buffer) => (received += chunk.byteLength))
  await once(socket, 'close')
  t.ok(received > bytes.byteLength)
})

test('gateway: pipelined requests → answered in order, and the first pins the rest', async (t) => {
  const source = demo()
  const gateway = await serve(t, source)
  const line = (path: string, last = false): string =>
    `GET /demo/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${last ? 'Connection: close\r\n' : ''}\r\n`
  const wire = await raw(gateway, line(IN_RELEASE) + line(PACKAGES) + line('pool/none.deb') + line(POOL, true))
  const order = ['InRelease 1', 'Version: 1', 'NOT_FOUND', 'deb 1'].map((text) => wire.indexOf(text))
  t.alike(
    order,
    order.toSorted((a, b) => a - b),
  )
  t.ok(order.every((place) => place > 0))
  t.is(wire.match(/HTTP\/1\.1 200/g)?.length, 3)
  t.is(source.opened.indexOf(`#1 ${IN_RELEASE}`), 0)
  const flood = await raw(gateway, line(POOL).repeat(1000))
  t.ok((flood.match(/HTTP\/1\.1/g)?.length ?? 0) <= 64, 'a flood of requests is cut')
  t.is((await ask(gateway, `/demo/${POOL}`)).status, 200)
})

test('gateway: a foreign Host, a proxy request, another method → refused', async (t) => {
  const gateway = await serve(t, demo(), { allowedHosts: ['Mirror.Example'] })
  const path = `/demo/${POOL}`
  const own = `127.0.0.1:${gateway.port}`
  const cases: [string, RegExp][] = [
    [`GET ${path} HTTP/1.1\r\nHost: evil.example\r\n`, /^HTTP\/1\.1 421/],
    [`GET ${path} HTTP/1.1\r\nHost: 0.0.0.0\r\n`, /^HTTP\/1\.1 421/],
    [`GET ${path} HTTP/1.1\r\nHost: user@localhost\r\n`, /^HTTP\/1\.1 421/],
    [`GET ${path} HTTP/1.1\r\n`, /^HTTP\/1\.1 400/],
    [`GET ${path} HTTP/1.0\r\n`, /^HTTP\/1\.1 421/],
    [`GET ${path} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n`, /^HTTP\/1\.1 400/],
    [`GET ${path} HTTP/1.1\r\nHost: mirror.example\r\nConnection: close\r\n`, /^HTTP\/1\.1 200/],
    [`GET http://${own}${path} HTTP/1.1\r\nHost: ${own}\r\nConnection: close\r\n`, /^HTTP\/1\.1 200/],
    [`GET http://127.0.0.1:1${path} HTTP/1.1\r\nHost: ${own}\r\n`, /^HTTP\/1\.1 421/],
    [`GET http://example.org/ HTTP/1.1\r\nHost: ${own}\r\n`, /^HTTP\/1\.1 421/],
    [`GET https://${own}/ HTTP/1.1\r\nHost: ${own}\r\n`, /^HTTP\/1\.1 400/],
    [`CONNECT example.org:443 HTTP/1.1\r\nHost: ${own}\r\n`, /^HTTP\/1\.1 405/],
    [`POST ${path} HTTP/1.1\r\nHost: ${own}\r\nContent-Length: 0\r\n`, /^HTTP\/1\.1 405[^]*Allow: GET, HEAD/],
    [`OPTIONS * HTTP/1.1\r\nHost: ${own}\r\n`, /^HTTP\/1\.1 405/],
    [`GET ${path} HTTP/1.1\r\nHost: ${own}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n`, /^HTTP\/1\.1 400/],
    [`GET ${path} HTTP/1.1\r\nHost: ${own}\r\nTransfer-Encoding: chunked\r\n`, /^HTTP\/1\.1 400/],
    [`GET ${path} HTTP/1.1\r\nHost: ${own}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n`, /^HTTP\/1\.1 400/],
    [`GET ${path} HTTP/1.1\r\nHost: ${own}\r\nX: ${'x'.repeat(20_000)}\r\n`, /^HTTP\/1\.1 431/],
  ]
  for (const [head, expected] of cases) {
    const wire = await raw(gateway, `${head}\r\n`)
    t.ok(expected.test(wire), `${head.slice(0, 70).replaceAll('\r\n', ' ')} → ${wire.slice(0, 12)}`)
  }
})

test('gateway: bytes that are not HTTP → 400 or closed, and it lives on', async (t) => {
  const gateway = await serve(t, demo())
  const garbage = ['\0\0\0\0', 'GET\r\n\r\n', 'GET /\x01 HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00', 'A'.repeat(100_000)]
  for (const text of garbage) t.absent((await raw(gateway, text)).includes('200 OK'))
  const smuggled = `GET /demo/${POOL} HTTP/1.1\r\nHost: localhost\r\n\r\nBAD\x00`
  const wire = await raw(gateway, smuggled)
  t.absent(/deb 1.*HTTP\/1\.1 200/s.test(wire))
  t.is((await ask(gateway, `/demo/${POOL}`)).status, 200)
})

test('gateway: headers that never end → closed within the bound', { timeout: 30_000 }, async (t) => {
  const gateway = await serve(t, demo())
  const startedAtMs = performance.now()
  const wire = await raw(gateway, 'GET / HTTP/1.1\r\nHost: localhost\r\nX:')
  t.ok(wire.startsWith('HTTP/1.1 408'))
  t.ok(performance.now() - startedAtMs < 15_000)
})

test('gateway: a crowd of idle connections → the longest idle makes room, a client is still served', async (t) => {
  const gateway = await serve(t, demo())
  const sockets: Socket[] = []
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  const agent = oneConnection(t)
  for (let n = 0; n < 256; n += 1) {
    const socket = connect(gateway.port, gateway.host)
    socket.on('error', () => undefined) // closed by the server: what the test is about
    sockets.push(socket)
    await once(socket, 'connect')
  }
  const first = sockets[0] as Socket
  const evicted = once(first.resume(), 'close')
  t.is((await ask(gateway, `/demo/${POOL}`, { agent })).status, 200)
  await evicted
  t.absent(sockets.at(-1)?.destroyed)
})

test('gateway: the port is taken → ADDRESS_IN_USE; closed → free again', async (t) => {
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, source: demo() })
  const again = { host: '127.0.0.1', port: gateway.port, source: demo() }
  try {
    await startGateway(again)
    t.fail('listened twice')
  } catch (error) {
    t.is(error instanceof FreshetError && error.code, 'ADDRESS_IN_USE')
  }
  await gateway.close()
  const next = await startGateway(again)
  await next.close()
})
