import test from 'brittle'
import { once } from 'node:events'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { startGateway } from '../../protocols/gateway.ts'
import type { GatewaySource } from '../../protocols/gateway-source.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { IN_RELEASE, POOL, ask, demo, oneConnection, raw, serve } from '../helpers/gateway-client.ts'
import { MemorySource, readChunks, type MemorySourceOptions } from '../helpers/memory-gateway-source.ts'

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
