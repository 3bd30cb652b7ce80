/** Debian's dose-debcheck, which decides the same questions in another way: the other opinion that ours is held against. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

const OUTPUT_BYTES_MAX = 2 ** 30

/** @returns the packages of a Packages file that cannot be installed, `NAME VERSION`, sorted. */
export function brokenByDose(path: string, architecture: string): string[] {
  const output = run([`--deb-native-arch=${architecture}`, '-f', '-e', '-m', path])
  const stanza = /^ {2}package: (\S+)\n {2}version: (\S+)\n(?: {2}\S.*\n)*? {2}status: broken$/gm
  return [...output.matchAll(stanza)].map(([, name = '', version = '']) => `${name} ${version}`).sort()
}

/**
 * Whether the packages of each set can be installed together, on a machine that has nothing. Each set becomes a package of its
 * own that depends on them, so that all of them are one run.
 */
export function doseTogether(
  path: string,
  directory: string,
  architecture: string,
  sets: readonly (readonly string[])[],
): boolean[] {
  const stanzas = sets.map((names, i) =>
    [
      `Package: freshet-set-${i}`,
      'Version: 1',
      `Architecture: ${architecture}`,
      `Depends: ${names.join(', ')}`,
      '',
    ].join('\n'),
  )
  const asked = `${directory}/sets`
  writeFileSync(asked, stanzas.join('\n'))
  const output = run([`--deb-native-arch=${architecture}`, '-f', `--fg=${asked}`, `--bg=${path}`])
  const broken = new Set([...output.matchAll(/^ {2}package: freshet-set-(\d+)$/gm)].map(([, number]) => Number(number)))
  return sets.map((_, i) => !broken.has(i))
}

/** It ends with 1 where something is broken. */
function run(args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('dose-debcheck', args, {
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  if (error !== undefined || status === null || status > 1) throw error ?? new Error(`dose-debcheck: ${stderr}`)
  return stdout
}
