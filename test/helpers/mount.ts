/** Mounts that end with their test, also when the test throws: brittle then ends the process without any teardown. Needs root. */
import { execFileSync } from 'node:child_process'
import type { Assert } from 'brittle'

const mounted = new Set<string>()
process.once('exit', () => mounted.forEach(unmount))

/** After the nodes of a test, before its folders. */
const ORDER = 1

/** `mount ...args mountPoint`. */
export function mount(t: Assert, args: readonly string[], mountPoint: string): void {
  execFileSync('mount', [...args, mountPoint])
  mounted.add(mountPoint)
  t.teardown(() => unmount(mountPoint), { order: ORDER })
}

/** Lazy: a file that is still open keeps nothing but itself. */
export function unmount(mountPoint: string): void {
  if (mounted.delete(mountPoint)) execFileSync('umount', ['--lazy', mountPoint])
}
