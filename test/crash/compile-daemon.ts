/**
 * Compiles test/crash/daemon-process.ts and what it needs, once: a daemon from JavaScript starts in half the time, and these
 * tests start hundreds. Types are for `npm run check` to look at.
 */
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '../..')
const ENTRY = 'test/crash/daemon-process'

/** @returns the path of the compiled entry below `directory`. */
export async function compileDaemon(directory: string): Promise<string> {
  const project = join(directory, 'tsconfig.json')
  const configuration = {
    extends: join(ROOT, 'tools/tsconfig.build.json'),
    compilerOptions: { rootDir: ROOT, outDir: join(directory, 'out'), noCheck: true, types: [] },
    files: [`${ENTRY}.ts`, 'store/hash-worker.ts', 'actors/ports/check-worker.ts'].map((file) => join(ROOT, file)),
    include: [],
    exclude: [],
  }
  await mkdir(join(directory, 'out'), { recursive: true })
  await writeFile(project, JSON.stringify(configuration))
  await writeFile(join(directory, 'out/package.json'), '{ "type": "module" }')
  await symlink(join(ROOT, 'node_modules'), join(directory, 'out/node_modules'))
  await promisify(execFile)(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project])
  return join(directory, 'out', `${ENTRY}.js`)
}
