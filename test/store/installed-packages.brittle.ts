/** dpkg status files: this machine's own where it has one, and files that are not what they should be. */
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { STATUS_FILES_MAX } from '../../schemas/limits.ts'
import { InstalledStates, SYSTEM_STATUS } from '../../store/installed-packages.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const paragraph = (name: string, version: string, state = 'install ok installed'): string =>
  `Package: ${name}\nStatus: ${state}\nPriority: optional\nArchitecture: amd64\nVersion: ${version}\nDescription: x\n Package: no\n\n`

test('installed packages: only what is installed, by name and architecture', async (t) => {
  const path = join(await scratchFolder(t), 'status')
  const kept = 'Package: kept\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n'
  await writeFile(path, `${paragraph('bash', '5.2-1')}${kept}${paragraph('vim', '2:9', 'hold ok installed')}\n`)
  const states = new InstalledStates()
  t.alike(
    [...(await states.read(path))],
    [
      ['bash amd64', '5.2-1'],
      ['vim amd64', '2:9'],
    ],
  )
  t.is(await states.read(path), await states.read(path), 'read once')
  await writeFile(path, paragraph('bash', '5.2-2'))
  await utimes(path, 1, 1)
  t.alike([...(await states.read(path))], [['bash amd64', '5.2-2']], 'and again when it has changed')
})

test('installed packages: files that are none → STATUS_FILE_INVALID, and nothing of them', async (t) => {
  const folder = await scratchFolder(t)
  const states = new InstalledStates()
  const path = join(folder, 'status')
  t.is(await codeOf(states.read(path)), 'STATUS_FILE_INVALID', 'not there')
  await mkdir(join(folder, 'folder'))
  t.is(await codeOf(states.read(join(folder, 'folder'))), 'STATUS_FILE_INVALID', 'a folder')
  for (const text of [
    'nonsense\n\n',
    'Status: install ok installed\nVersion: 1\n\n',
    'Package: a\nVersion: 1\n\n',
    'Package: a\nStatus: install ok installed\n\n',
    paragraph('a', 'not a version'),
  ]) {
    await writeFile(path, paragraph('bash', '1') + text)
    t.is(await codeOf(states.read(path)), 'STATUS_FILE_INVALID', JSON.stringify(text.slice(0, 30)))
  }
})

test('installed packages: many files → only the newest few are kept in memory, and all are right', async (t) => {
  const folder = await scratchFolder(t)
  const states = new InstalledStates()
  for (let i = 0; i < 3 * STATUS_FILES_MAX; i++) await writeFile(join(folder, String(i)), paragraph(`p${i}`, '1'))
  for (let i = 0; i < 3 * STATUS_FILES_MAX; i++) {
    t.alike([...(await states.read(join(folder, String(i)))).keys()], [`p${i} amd64`])
  }
  const last = join(folder, String(3 * STATUS_FILES_MAX - 1))
  const kept = await states.read(last)
  t.is(await states.read(last), kept)
})

test('installed packages: the status file of this machine → as many as it says are installed', async (t) => {
  const text = await readFile(SYSTEM_STATUS, 'utf8').catch(() => null)
  if (text === null) return t.comment('SKIP: this machine has no dpkg')
  const count = text.match(/^Status: .* installed$/gm)?.length ?? 0
  t.is((await new InstalledStates().read(SYSTEM_STATUS)).size, count)
})
