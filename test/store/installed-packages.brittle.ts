/** dpkg status files on disk: this machine's own where it has one, files that change, and files that cannot be read. */
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import type { InstalledPackage } from '../../schemas/installed-packages.ts'
import { STATUS_FILES_MAX } from '../../schemas/limits.ts'
import { InstalledStates, SYSTEM_STATUS } from '../../store/installed-packages.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const stanza = (name: string, version: string): string =>
  `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\n\n`
const texts = (packages: readonly InstalledPackage[]): string[] =>
  packages.map(({ name, version }) => `${name} ${version}`)

test('installed packages: a file is read once, and again when it has changed', async (t) => {
  const path = join(await scratchFolder(t), 'status')
  await writeFile(path, stanza('bash', '5.2-1') + stanza('vim', '2:9'))
  const states = new InstalledStates()
  t.alike(texts(await states.read(path)), ['bash 5.2-1', 'vim 2:9'])
  t.is(await states.read(path), await states.read(path))
  await writeFile(path, stanza('bash', '5.2-2'))
  await utimes(path, 1, 1)
  t.alike(texts(await states.read(path)), ['bash 5.2-2'])
})

test('installed packages: files that cannot be read, or are none → STATUS_INVALID', async (t) => {
  const folder = await scratchFolder(t)
  const states = new InstalledStates()
  const path = join(folder, 'status')
  t.is(await codeOf(states.read(path)), 'STATUS_INVALID', 'not there')
  await mkdir(join(folder, 'folder'))
  t.is(await codeOf(states.read(join(folder, 'folder'))), 'STATUS_INVALID', 'a folder')
  await writeFile(path, 'nonsense\n\n')
  t.is(await codeOf(states.read(path)), 'STATUS_INVALID', 'not of dpkg')
})

test('installed packages: many files → only the newest few are kept in memory, and all are right', async (t) => {
  const folder = await scratchFolder(t)
  const states = new InstalledStates()
  for (let i = 0; i < 3 * STATUS_FILES_MAX; i++) await writeFile(join(folder, String(i)), stanza(`p${i}`, '1'))
  for (let i = 0; i < 3 * STATUS_FILES_MAX; i++) {
    t.alike(texts(await states.read(join(folder, String(i)))), [`p${i} 1`])
  }
  const last = join(folder, String(3 * STATUS_FILES_MAX - 1))
  const kept = await states.read(last)
  t.is(await states.read(last), kept)
})

test('installed packages: the status file of this machine → as many as it says are installed', async (t) => {
  const text = await readFile(SYSTEM_STATUS, 'utf8').catch(() => null)
  if (text === null) return t.comment('SKIP: this machine has no dpkg')
  const count = text.match(/^Status: .* (installed|unpacked|half-configured|triggers-\w+)$/gm)?.length ?? 0
  t.is((await new InstalledStates().read(SYSTEM_STATUS)).length, count)
})
