/** A signed repository from a directory and over http, from a server that behaves and one that does not. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'
import test from 'brittle'
import type { Assert } from 'brittle'
import { type AptRepoOptions, importAptRepo } from '../../tools/import/apt-repo.ts'
import { hash } from '../../tools/import/file-hash.ts'
import { codeOf } from '../helpers/refusal.ts'
import { type RepositoryDescription, type SignedRepository, writeRepository } from '../helpers/signed-repository.ts'
import { type StaticServer, staticServer } from '../helpers/static-server.ts'

const FOO = { name: 'foo', version: '1:1.0-1', architecture: 'amd64', files: { a: 'b'.repeat(5000) } }
const BAR = { name: 'bar', version: '2.0+git~1', architecture: 'all' }
const ARM = { name: 'arm', version: '1', architecture: 'arm64' }
const BAZ = { name: 'baz', version: '1', architecture: 'amd64' }
const COMPONENTS = { main: [FOO, BAR, ARM], 'non-free': [BAZ] }
const ALL = ['main/binary-amd64/Packages', 'main/binary-arm64/Packages', 'non-free/binary-amd64/Packages']
const AMD64 = 'dists/test/main/binary-amd64/Packages'

async function made(t: Assert, more: Partial<RepositoryDescription> = {}): Promise<SignedRepository> {
  return await writeRepository(join(await t.tmp(), 'repo'), { components: COMPONENTS, ...more })
}

function run(repository: SignedRepository, more: Partial<AptRepoOptions> = {}) {
  return importAptRepo({ location: repository.root, suite: 'test', keyring: [repository.keyring], ...more })
}

async function served(t: Assert, more: Partial<RepositoryDescription> = {}) {
  const repository = await made(t, more)
  const server = await staticServer(t, repository.root)
  const temporaryDirectory = await t.tmp()
  const over = (more: Partial<AptRepoOptions> = {}) =>
    run(repository, { location: server.url, temporaryDirectory, ...more })
  return { repository, server, temporaryDirectory, over }
}

test('apt-repo: a directory → every index there is, its pool in place', async (t) => {
  const repository = await made(t)
  const draft = await run(repository)
  t.alike(draft.indexes.map(({ path }) => path).sort(), ALL)
  for (const { path, bytes } of draft.indexes) t.ok(bytes.equals(repository.indexes.get(path) ?? Buffer.alloc(0)), path)
  t.is(draft.artifacts.length, 4, 'the package for all only once')
  for (const { sourcePath, digest, copy, strict } of draft.artifacts) {
    t.ok(sourcePath.startsWith(`${repository.root}/pool/`))
    t.is(hash(readFileSync(sourcePath)), digest)
    t.ok(strict && !copy)
  }
  t.is((await run(repository, { location: pathToFileURL(repository.root).href })).indexes.length, 3, 'as a file: URL')
  t.is((await run(repository, { metadataOnly: true })).artifacts.length, 0, 'metadata only')
  rmSync(join(repository.root, repository.filenames[0] ?? ''))
  t.is((await run(repository)).artifacts.length, 3, 'a pool that lacks a file')
})

test('apt-repo: named components and architectures → those, and an error where one is not there', async (t) => {
  const repository = await made(t)
  const paths = async (more: Partial<AptRepoOptions>) => (await run(repository, more)).indexes.map(({ path }) => path)
  t.alike(await paths({ components: ['non-free'] }), ['non-free/binary-amd64/Packages'])
  t.alike(await paths({ architectures: ['arm64'] }), ['main/binary-arm64/Packages'])
  t.alike(await paths({ components: ['main'], architectures: ['amd64'] }), ['main/binary-amd64/Packages'])
  t.is(await codeOf(run(repository, { components: ['main', 'contrib'] })), 'INDEX_MISSING')
  t.is(await codeOf(run(repository, { architectures: ['amd64', 's390x'] })), 'INDEX_MISSING')
  t.is(await codeOf(run(repository, { components: ['non-free'], architectures: ['arm64'] })), 'INDEX_MISSING')
  for (const suffix of ['', '.gz']) rmSync(join(repository.root, `dists/test/main/binary-arm64/Packages${suffix}`))
  t.alike(
    await paths({}),
    ALL.filter((path) => !path.includes('arm64')),
    'a partial mirror, nothing named',
  )
  t.is(await codeOf(run(repository, { architectures: ['arm64'] })), 'INDEX_MISSING', 'named, listed and not there')
})

test('apt-repo: over http → packed indexes, by hash where offered, packages verified and cleaned up', async (t) => {
  for (const byHash of [false, true]) {
    const { repository, server, temporaryDirectory, over } = await served(t, { byHash })
    const progress: number[] = []
    const draft = await over({ onProgress: (done, total) => progress.push(done, total) })
    t.is(draft.indexes.length, 3)
    for (const { path, bytes } of draft.indexes)
      t.ok(bytes.equals(repository.indexes.get(path) ?? Buffer.alloc(0)), path)
    const asked = server.requests.filter((path) => path.startsWith('dists/test/'))
    t.ok(
      asked.slice(1).every((path) => path.includes(byHash ? '/by-hash/SHA256/' : '/Packages.gz')),
      `by hash: ${byHash}`,
    )
    t.is(draft.artifacts.length, 4)
    for (const { sourcePath, digest, copy, strict } of draft.artifacts) {
      t.is(hash(readFileSync(sourcePath)), digest)
      t.ok(copy && strict)
    }
    const total = draft.artifacts.reduce((sum, { byteLength }) => sum + byteLength, 0)
    t.alike(progress.slice(-2), [total, total])
    await draft.close()
    t.alike(readdirSync(temporaryDirectory), [], 'nothing is left')
  }
})

test('apt-repo: over http with bytes that are here, or not wanted, or too many', async (t) => {
  const { repository, server, over } = await served(t)
  const have = hash(
    readFileSync(join(repository.root, repository.filenames.find((name) => name.includes('foo')) ?? '')),
  )
  const draft = await over({ alreadyHave: async (digest) => digest === have })
  t.is(draft.artifacts.length, 3)
  t.absent(draft.artifacts.some(({ digest }) => digest === have))
  await draft.close()
  server.requests.length = 0
  t.is((await over({ metadataOnly: true, bytesMax: 0 })).artifacts.length, 0)
  t.absent(
    server.requests.some((path) => path.startsWith('pool/')),
    'no package was asked for',
  )
  t.is(await codeOf(over({ bytesMax: 100 })), 'IMPORT_TOO_LARGE')
  t.absent(
    server.requests.some((path) => path.startsWith('pool/')),
    'nor before it was refused',
  )
})

test('apt-repo: a mirror in the middle of a sync → what is right in any form is found', async (t) => {
  const { repository, over } = await served(t, { byHash: true })
  const path = join(repository.root, AMD64)
  writeFileSync(`${path}.gz`, 'of another release')
  t.is((await over({ metadataOnly: true })).indexes.length, 3, 'by hash')
  rmSync(join(dirname(path), 'by-hash'), { recursive: true })
  t.is((await over({ metadataOnly: true })).indexes.length, 3, 'plain')
  writeFileSync(path, 'of another release too')
  t.is(await codeOf(over({ metadataOnly: true })), 'INDEX_MISMATCH')
  writeFileSync(path, Buffer.alloc(100_000))
  t.is(await codeOf(over({ metadataOnly: true })), 'INDEX_MISMATCH', 'more than signed')
  t.is(await codeOf(run(repository)), 'INDEX_MISMATCH', 'from the directory')
})

test('apt-repo: repositories that are wrong → refused, each with its code', async (t) => {
  const repository = await made(t)
  const code = (more: Partial<AptRepoOptions> = {}) => codeOf(run(repository, more))
  t.is(await code({ suite: 'other' }), 'SOURCE_UNAVAILABLE', 'no InRelease')
  t.is(await code({ suite: '../../etc' }), 'USAGE')
  t.is(await code({ location: join(repository.root, 'none') }), 'SOURCE_UNAVAILABLE')
  t.is(await code({ location: 'ftp://example.org/' }), 'SOURCE_UNAVAILABLE')
  t.is(await code({ location: 'http://127.0.0.1:1/' }), 'SOURCE_UNAVAILABLE', 'nobody answers')
  const stranger = await made(t)
  t.is(await code({ keyring: [stranger.keyring] }), 'SIGNATURE_UNKNOWN')
  t.is(await codeOf(run(await made(t, { validUntil: 1_000_000 }))), 'RELEASE_EXPIRED')
  const evil = async (edit: (text: string) => string) => await made(t, { edit })
  const outside = await evil((text) => text.replace(/Filename: \S+/, 'Filename: ../../etc/passwd'))
  t.is(await codeOf(run(outside)), 'FILENAME_UNSAFE', '.. in a Filename')
  const broken = await evil((text) => text.replace(/SHA256: \S+/, 'SHA256: 00'))
  t.is(await codeOf(run(broken)), 'STANZA_FIELD_INVALID')
  const sizes = await evil((text) => text.replace(/^Size: (\d+)/m, 'Size: 1$1'))
  t.is(await codeOf(run(sizes)), 'ARTIFACT_MISMATCH', 'a size that is not the file’s')
})

test('apt-repo: symbolic links out of the directory → FILENAME_UNSAFE', async (t) => {
  const repository = await made(t)
  const secret = join(await t.tmp(), 'secret')
  const deb = join(repository.root, repository.filenames[0] ?? '')
  writeFileSync(secret, readFileSync(deb))
  rmSync(deb)
  symlinkSync(secret, deb)
  t.is(await codeOf(run(repository)), 'FILENAME_UNSAFE', 'a package')
  rmSync(deb)
  writeFileSync(join(repository.root, 'moved.deb'), readFileSync(secret))
  symlinkSync(join(repository.root, 'moved.deb'), deb)
  t.is(await codeOf(run(repository)), 'accepted', 'a link that stays inside')
  const pool = join(repository.root, 'pool')
  const elsewhere = join(await t.tmp(), 'pool')
  renameSync(pool, elsewhere)
  symlinkSync(elsewhere, pool)
  t.is(await codeOf(run(repository)), 'FILENAME_UNSAFE', 'a folder')
  const index = join(repository.root, AMD64)
  renameSync(index, join(elsewhere, 'Packages'))
  symlinkSync(join(elsewhere, 'Packages'), index)
  t.is(await codeOf(run(repository, { metadataOnly: true })), 'FILENAME_UNSAFE', 'an index')
})

test('apt-repo: a server that serves other packages → ARTIFACT_MISMATCH, nothing is left', async (t) => {
  const { repository, temporaryDirectory, over } = await served(t)
  const deb = join(repository.root, repository.filenames[0] ?? '')
  const bytes = readFileSync(deb)
  const altered = Buffer.from(bytes)
  altered[200] = (altered[200] ?? 0) ^ 1
  for (const [what, other] of Object.entries({
    'a bit': altered,
    shorter: bytes.subarray(1),
    longer: Buffer.concat([bytes, Buffer.alloc(1)]),
  })) {
    writeFileSync(deb, other)
    t.is(await codeOf(over()), 'ARTIFACT_MISMATCH', what)
  }
  rmSync(deb)
  t.is(await codeOf(over()), 'SOURCE_UNAVAILABLE', 'not there')
  t.alike(readdirSync(temporaryDirectory), [])
})

test('apt-repo: a server that fails twice → tried again; one that goes on failing → SOURCE_UNAVAILABLE', async (t) => {
  const { server, over } = await served(t)
  let failures = 0
  const failing = (times: number): StaticServer['intercept'] => {
    failures = 0
    return (path, _, response) => {
      if (!path.startsWith('pool/') || failures >= times) return false
      failures += 1
      if (failures === 1) response.writeHead(503).end()
      else response.destroy() // within the answer
      return true
    }
  }
  server.intercept = failing(2)
  const draft = await over()
  t.is(draft.artifacts.length, 4)
  await draft.close()
  server.intercept = failing(Infinity)
  t.is(await codeOf(over()), 'SOURCE_UNAVAILABLE')
  server.intercept = (path, _, response) => path.endsWith('InRelease') && Boolean(response.writeHead(403).end())
  server.requests.length = 0
  t.is(await codeOf(over()), 'SOURCE_UNAVAILABLE', 'forbidden')
  t.is(server.requests.length, 1, 'and not asked twice')
})

test('apt-repo: endless, silent and redirecting servers → an end', async (t) => {
  const { repository, server, over } = await served(t)
  const endless = Buffer.alloc(65_536)
  server.intercept = (path, _, response) => {
    if (!path.includes('Packages')) return false
    const more = (): void => {
      while (!response.destroyed && response.write(endless));
    }
    response.on('drain', more)
    more()
    return true
  }
  t.is(await codeOf(over()), 'INDEX_MISMATCH', 'endless')
  server.intercept = (path, _, response) => path.includes('Packages') && response.write('x')
  const startedAtMs = performance.now()
  t.is(await codeOf(over({ stallMsMax: 100 })), 'SOURCE_UNAVAILABLE', 'silent')
  t.ok(performance.now() - startedAtMs < 20_000)
  server.intercept = (path, _, response) => Boolean(response.writeHead(302, { location: `/${path}` }).end())
  server.requests.length = 0
  t.is(await codeOf(over()), 'SOURCE_UNAVAILABLE', 'a loop')
  t.is(server.requests.length, 6)
  server.intercept = (_path, _, response) => Boolean(response.writeHead(302, { location: 'file:///etc/passwd' }).end())
  t.is(await codeOf(over()), 'SOURCE_UNAVAILABLE', 'to another scheme')
  const mirror = await staticServer(t, repository.root)
  server.intercept = (path, _, response) =>
    Boolean(response.writeHead(302, { location: `${mirror.url}/${path}` }).end())
  const draft = await over()
  t.is(draft.artifacts.length, 4, 'to a mirror')
  await draft.close()
})

test('apt-repo: a server that unpacks .gz on the way → the import still succeeds', async (t) => {
  const { repository, server, over } = await served(t, { forms: ['', '.gz'] })
  server.intercept = (path, _, response) => {
    if (!path.endsWith('Packages.gz')) return false
    response.end(gunzipSync(readFileSync(join(repository.root, path))))
    return true
  }
  t.is((await over({ metadataOnly: true })).indexes.length, 3)
})

test('apt-repo: interrupted in the middle → INTERRUPTED, nothing is left', async (t) => {
  const { server, temporaryDirectory, over } = await served(t)
  const controller = new AbortController()
  server.intercept = (path, _, response) => {
    if (!path.startsWith('pool/')) return false
    response.write('x')
    controller.abort()
    return true
  }
  t.is(await codeOf(over({ signal: controller.signal })), 'INTERRUPTED')
  t.alike(readdirSync(temporaryDirectory), [])
})

test('apt-repo: a path below the host, and odd characters in names → asked for as they are', async (t) => {
  const repository = await made(t)
  mkdirSync(join(repository.root, '..', 'outer'))
  renameSync(repository.root, join(repository.root, '..', 'outer', 'repo'))
  const server = await staticServer(t, join(repository.root, '..', 'outer'))
  const draft = await run(repository, { location: `${server.url}/repo`, temporaryDirectory: await t.tmp() })
  t.ok(server.requests.includes('repo/pool/main/b/bar/bar_2.0+git~1_all.deb'))
  t.ok(draft.artifacts.every(({ sourcePath }) => existsSync(sourcePath)))
  await draft.close()
})

test('apt-repo: a host that accepts and says nothing → SOURCE_UNAVAILABLE', async (t) => {
  const repository = await made(t)
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : 0
  t.is(await codeOf(run(repository, { location: `http://127.0.0.1:${port}`, stallMsMax: 100 })), 'SOURCE_UNAVAILABLE')
})
