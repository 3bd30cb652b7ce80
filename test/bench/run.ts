/** `npm run bench [-- PART-OF-A-NAME...]`: every benchmark, one after the other, each in a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const parts = process.argv.slice(2)
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.bench.ts') && (parts.length === 0 || parts.some((part) => name.includes(part))))
  .toSorted()

for (const file of files) {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, file)], { stdio: 'inherit' })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  if (exitCode !== 0) process.exitCode = 1
}
