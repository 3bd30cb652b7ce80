import test from 'brittle'
import {
  IN_RELEASE,
  PACKAGES,
  POOL,
  ask,
  byHash,
  demo,
  generation,
  oneConnection,
  raw,
  serve,
  type AskOptions,
} from '../helpers/gateway-client.ts'
import { MemorySource, sha256 } from '../helpers/memory-gateway-source.ts'

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
