/** Mirrors over real HTTP: one that does as it should, and ones that lie, stall, drip, refuse, redirect for ever or never end. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import test, { type Assert } from 'brittle'
import { MirrorClient } from '../../protocols/mirror-client.ts'
import { MirrorScores } from '../../protocols/mirror-scores.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { MIRROR_CONNECTIONS_MAX, MIRROR_REDIRECTS_MAX, MIRROR_SKIP_BYTES_MAX } from '../../schemas/limits.ts'
import { debBytes } from '../../tools/demo/build-deb.ts'
import { type MirrorServer, mirrorServer, serve } from '../helpers/mirror-server.ts'
import { collect, fixture } from '../helpers/pool-fixtures.ts'

const PATH = 'pool/main/g/g++/g++_1:2.0+git~1_amd64.deb'
const NOW = 1_700_000_000_000

interface Setting {
  readonly mirror: MirrorServer
  readonly deb: Buffer
  readonly scores: MirrorScores
  readonly get: (first?: number, lengthBytes?: number, signal?: AbortSignal) => Promise<Buffer>
  /** Code of what getting the whole file, or a part, fails with; its detail. */
  readonly refusal: (first?: number, lengthBytes?: number) => Promise<FreshetError>
}

async function setting(t: Assert, waitMs = 200): Promise<Setting> {
  const files = { 'usr/share/g++/data': fixture(300_000, 1).bytes }
  const deb = await debBytes({ name: 'g++', version: '1:2.0+git~1', architecture: 'amd64', files })
  const mirror = await mirrorServer(t, { [PATH]: deb })
  const scores = new MirrorScores()
  const client = new MirrorClient({ scores, now: () => NOW, waitMs })
  const get: Setting['get'] = (first = 0, lengthBytes = deb.byteLength, signal = new AbortController().signal) => {
    const part = { first, lengthBytes, fileBytes: deb.byteLength }
    return collect(client.fetchRange({ base: mirror.url, path: PATH, signal, ...part }))
  }
  const refusal: Setting['refusal'] = async (...part) => {
    return get(...part).then(
      () => new FreshetError('INTERNAL', 'it was accepted'),
      (error: unknown) => error as FreshetError,
    )
  }
  return { mirror, deb, scores, get, refusal }
}

test('mirror client: a mirror that does as it should → parts and the whole, one connection for all, measured', async (t) => {
  const { mirror, deb, scores, get } = await setting(t)
  t.ok((await get()).equals(deb))
  t.ok((await get(100_000, 50_000)).equals(deb.subarray(100_000, 150_000)))
  t.ok((await get(deb.byteLength - 1, 1)).equals(deb.subarray(-1)))
  t.alike(
    mirror.requests.map(({ path, range }) => [path, range]),
    [
      [PATH, null],
      [PATH, 'bytes=100000-149999'],
      [PATH, `bytes=${deb.byteLength - 1}-${deb.byteLength - 1}`],
    ],
  )
  t.ok(mirror.requests[0]?.userAgent.startsWith('freshet '))
  t.is(mirror.load.connections, 1, 'kept alive')
  const { bytesPerSecond, firstByteMs, failures } = scores.of(mirror.url)
  t.ok((bytesPerSecond ?? 0) > 0 && (firstByteMs ?? 0) > 0)
  t.is(failures, 0)
})

test('mirror client: a kept connection that the server closes under our request → asked again, on another one', async (t) => {
  const { mirror, deb, get, scores } = await setting(t)
  const used = new Set<unknown>()
  mirror.misbehave = (_, response) => {
    const { socket } = response
    if (!used.has(socket)) return (used.add(socket), false)
    socket?.destroy()
    return true
  }
  for (let i = 0; i < 4; i++) t.ok((await get(i, 10)).equals(deb.subarray(i, i + 10)))
  t.is(used.size, 4)
  t.is(scores.of(mirror.url).failures, 0)
})

test('mirror client: many parts at once → no more than MIRROR_CONNECTIONS_MAX requests at a time', async (t) => {
  const { mirror, deb, get } = await setting(t)
  const parts = await Promise.all(Array.from({ length: 20 }, (_, i) => get(i * 1000, 1000)))
  t.ok(Buffer.concat(parts).equals(deb.subarray(0, 20_000)))
  t.ok(mirror.load.atOnce <= MIRROR_CONNECTIONS_MAX, `${mirror.load.atOnce} at once`)
  t.ok(mirror.load.connections <= MIRROR_CONNECTIONS_MAX, `${mirror.load.connections} connections`)
})

test('mirror client: a mirror that ignores ranges → the part all the same; deep in a large file it is refused', async (t) => {
  const { mirror, deb, refusal, get, scores } = await setting(t)
  mirror.misbehave = (_, response) => (serve(deb, null, response), true)
  t.ok((await get(200_000, 1000)).equals(deb.subarray(200_000, 201_000)))
  t.ok((await get(0, 1)).equals(deb.subarray(0, 1)))
  mirror.misbehave = (_, response) => (response.writeHead(200).end(deb), true) // no Content-Length
  t.ok((await get(200_000, 1000)).equals(deb.subarray(200_000, 201_000)))
  const client = new MirrorClient({ scores, now: () => NOW })
  const late = { first: MIRROR_SKIP_BYTES_MAX + 1, lengthBytes: 1, fileBytes: 2 * MIRROR_SKIP_BYTES_MAX }
  const { signal } = new AbortController()
  const deep = collect(client.fetchRange({ base: mirror.url, path: PATH, signal, ...late }))
  t.is(((await deep.catch((error: unknown) => error as FreshetError)) as FreshetError).code, 'MIRROR_REFUSED')
  t.is(scores.of(mirror.url).failures, 0, 'which is no fault of it')
  mirror.misbehave = null
  t.is((await refusal(0, 10)).message, 'it was accepted')
})

test('mirror client: wrong bytes of the right length → handed on: whoever has the hash finds out', async (t) => {
  const { mirror, deb, get } = await setting(t)
  mirror.files.set(PATH, Buffer.alloc(deb.byteLength, 'x'))
  t.ok((await get(0, 10)).equals(Buffer.alloc(10, 'x')))
})

const ANSWERS: readonly (readonly [string, (response: ServerResponse, deb: Buffer) => unknown, object])[] = [
  ['404', (response) => response.writeHead(404).end('none'), { code: 'MIRROR_REFUSED', status: 404, failures: 0 }],
  ['500', (response) => response.writeHead(500).end(), { code: 'MIRROR_REFUSED', status: 500, failures: 1 }],
  [
    '503 with Retry-After',
    (response) => response.writeHead(503, { 'retry-after': '120' }).end(),
    { code: 'MIRROR_REFUSED', status: 503, retryAfterMs: 120_000, pausedUntilMs: NOW + 120_000, failures: 1 },
  ],
  [
    '429 with a date',
    (response) => response.writeHead(429, { 'retry-after': new Date(NOW + 60_000).toUTCString() }).end(),
    { code: 'MIRROR_REFUSED', status: 429, retryAfterMs: 60_000, failures: 1 },
  ],
  [
    'another range',
    (response) => response.writeHead(206, { 'content-range': 'bytes 0-9/300' }).end('0123456789'),
    { code: 'MIRROR_REFUSED', status: 206, failures: 0 },
  ],
  [
    'a file of another size',
    (response) => response.writeHead(200, { 'content-length': 10 }).end('0123456789'),
    { code: 'MIRROR_REFUSED', status: 200, failures: 0 },
  ],
  [
    'a packed answer',
    (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    { code: 'MIRROR_REFUSED', status: 200 },
  ],
  [
    'an end too early',
    (response, deb) => response.writeHead(200).end(deb.subarray(0, 10_000)),
    { code: 'MIRROR_UNREACHABLE', failures: 1 },
  ],
  [
    'a connection that breaks off',
    (response, deb) =>
      response
        .writeHead(200, { 'content-length': deb.byteLength })
        .write(deb.subarray(0, 10_000), () => response.destroy()),
    { code: 'MIRROR_UNREACHABLE', failures: 1 },
  ],
  [
    'a stall after 10 kB',
    (response, deb) => response.writeHead(200, { 'content-length': deb.byteLength }).write(deb.subarray(0, 10_000)),
    { code: 'MIRROR_SLOW', failures: 1 },
  ],
  ['silence', () => undefined, { code: 'MIRROR_SLOW', failures: 1 }],
  [
    'a slow drip',
    (response, deb) => {
      response.writeHead(200, { 'content-length': deb.byteLength })
      const timer = setInterval(() => response.write('x'), 20)
      response.once('close', () => clearInterval(timer))
    },
    { code: 'MIRROR_SLOW', failures: 1 },
  ],
  [
    'a redirect to a file',
    (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    { code: 'MIRROR_REFUSED', redirect: 'file:///etc/passwd', failures: 1 },
  ],
  [
    'a redirect to nowhere',
    (response) => response.writeHead(302, { location: 'http://' }).end(),
    { code: 'MIRROR_REFUSED', failures: 1 },
  ],
]

for (const [what, answer, expected] of ANSWERS) {
  test(`mirror client: ${what} → an error that says so, with mirror and path`, async (t) => {
    const { mirror, deb, scores, refusal } = await setting(t)
    mirror.misbehave = (_, response) => (answer(response, deb), true)
    const { code, detail } = await refusal()
    const { failures, pausedUntilMs } = scores.of(mirror.url)
    const seen: Record<string, unknown> = { ...detail, code, failures, pausedUntilMs }
    for (const [name, value] of Object.entries(expected)) t.is(seen[name], value, name)
    t.alike([detail['mirror'], detail['path']], [mirror.url, PATH])
    mirror.misbehave = null
    t.is((await refusal()).message, 'it was accepted', 'and the next one is served')
  })
}

test('mirror client: redirects → followed to the file; in a circle → an end', async (t) => {
  const { mirror, deb, get, refusal } = await setting(t)
  let hops = 0
  mirror.misbehave = ({ range }, response) => {
    if (hops === MIRROR_REDIRECTS_MAX) return (serve(deb, range, response), true)
    response.writeHead(307, { location: `/debian/hop/${hops++}` }).end()
    return true
  }
  t.ok((await get(5, 10)).equals(deb.subarray(5, 15)), 'with the range, all the way')
  mirror.requests.length = 0
  mirror.misbehave = (_, response) => (response.writeHead(302, { location: mirror.url }).end(), true)
  t.is((await refusal()).code, 'MIRROR_REFUSED')
  t.is(mirror.requests.length, MIRROR_REDIRECTS_MAX + 1)
})

test('mirror client: endless data → no more than was asked for is taken, and the connection is closed', async (t) => {
  const { mirror, deb, get } = await setting(t)
  const closed: Promise<unknown>[] = []
  mirror.misbehave = (_, response) => {
    closed.push(once(response, 'close'))
    const block = Buffer.alloc(64 * 1024, 'x')
    const more = (): void => {
      while (!response.destroyed && response.write(block));
    }
    response.writeHead(200)
    response.on('drain', more)
    more()
    return true
  }
  t.is((await get(10, 1000)).byteLength, 1000)
  await Promise.all(closed)
  t.pass('closed')
  mirror.misbehave = null
  t.ok((await get()).equals(deb))
})

test('mirror client: nobody listens, or no HTTP is spoken → MIRROR_UNREACHABLE', async (t) => {
  const { deb, scores } = await setting(t)
  const babble = createServer((socket) => {
    socket.on('error', () => {}) // the client leaves
    socket.resume().end('SSH-2.0-OpenSSH_9.2\r\n')
  })
  await new Promise<void>((resolve) => babble.listen(0, '127.0.0.1', resolve))
  const { port } = babble.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  const client = new MirrorClient({ scores, now: () => NOW })
  const code = async (): Promise<string> => {
    const wish = { base, path: PATH, first: 0, lengthBytes: deb.byteLength, fileBytes: deb.byteLength }
    const { signal } = new AbortController()
    return collect(client.fetchRange({ ...wish, signal })).then(
      () => 'accepted',
      (error: unknown) => (error as FreshetError).code,
    )
  }
  t.is(await code(), 'MIRROR_UNREACHABLE')
  await new Promise((resolve) => babble.close(resolve))
  t.is(await code(), 'MIRROR_UNREACHABLE')
  t.is(scores.of(base).failures, 2)
})

test('mirror client: called off, also while it waits for its turn → INTERRUPTED, and nothing is held against the mirror', async (t) => {
  const { mirror, scores, get, refusal } = await setting(t, 10_000)
  mirror.misbehave = () => true // says nothing
  const abort = new AbortController()
  const asked = Array.from({ length: MIRROR_CONNECTIONS_MAX + 2 }, () =>
    get(0, 10, abort.signal).catch((error: unknown) => (error as FreshetError).code),
  )
  while (mirror.requests.length < MIRROR_CONNECTIONS_MAX) await new Promise((resolve) => setImmediate(resolve))
  abort.abort()
  t.alike(new Set(await Promise.all(asked)), new Set(['INTERRUPTED']))
  t.is(mirror.requests.length, MIRROR_CONNECTIONS_MAX)
  t.is(scores.of(mirror.url).failures, 0)
  mirror.misbehave = null
  t.is((await refusal()).message, 'it was accepted', 'and its place is free again')
})

test('mirror client: a reader that is slow or leaves → not held against the mirror', async (t) => {
  const { mirror, deb, scores, get } = await setting(t, 100)
  const client = new MirrorClient({ scores, now: () => NOW, waitMs: 100 })
  const { signal } = new AbortController()
  const wish = {
    base: mirror.url,
    path: PATH,
    first: 0,
    lengthBytes: deb.byteLength,
    fileBytes: deb.byteLength,
    signal,
  }
  let byteLength = 0
  for await (const chunk of client.fetchRange(wish)) {
    if (byteLength === 0) await new Promise((resolve) => setTimeout(resolve, 300)) // three times what a mirror may take
    byteLength += chunk.byteLength
  }
  t.is(byteLength, deb.byteLength)
  for await (const chunk of client.fetchRange(wish)) {
    t.ok(chunk.byteLength > 0)
    break
  }
  t.is(scores.of(mirror.url).failures, 0)
  t.ok((await get()).equals(deb))
})
