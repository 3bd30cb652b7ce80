/** An apt of a machine of our own: its state, lists and sources lie in one folder, and it only simulates. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const OUTPUT_BYTES_MAX = 2 ** 28

export interface ExactPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export class SimulatedApt {
  readonly #config: string

  /**
   * @param index the Packages file of all that can be installed.
   * @param status what is installed, as dpkg writes it; empty: nothing.
   */
  constructor(folder: string, architecture: string, index: Buffer, status = '') {
    const at = (name: string): string => join(folder, name)
    for (const name of ['repository', 'state/lists/partial', 'cache/archives/partial', 'etc/preferences.d']) {
      mkdirSync(at(name), { recursive: true })
    }
    writeFileSync(at('repository/Packages'), index)
    writeFileSync(at('state/status'), status)
    writeFileSync(at('etc/sources.list'), `deb [trusted=yes] file:${at('repository')} ./\n`)
    this.#config = at('apt.conf')
    writeFileSync(
      this.#config,
      [
        `Dir::State "${at('state')}";`,
        `Dir::State::status "${at('state/status')}";`,
        `Dir::Cache "${at('cache')}";`,
        `Dir::Etc "${at('etc')}";`,
        'Dir::Etc::SourceParts "/dev/null";',
        `APT::Architecture "${architecture}";`,
        `APT::Architectures { "${architecture}"; };`,
        'APT::Install-Recommends "false";',
        'APT::Sandbox::User "root";',
        '',
      ].join('\n'),
    )
    this.#run('update')
  }

  /** @returns what apt would install when it is asked for exactly these, `NAME VERSION`, sorted; null: it refuses. */
  installs(packages: readonly ExactPackage[]): string[] | null {
    const asked = packages.map(({ name, version, architecture }) => `${name}:${architecture}=${version}`)
    try {
      const output = this.#run('install', '--simulate', ...asked)
      return [...output.matchAll(/^Inst (\S+?)(?::\S+)? (?:\[\S+\] )?\((\S+) /gm)]
        .map(([, name, version]) => `${name} ${version}`)
        .sort()
    } catch (error) {
      if ((error as { status?: number }).status === 100) return null
      throw error
    }
  }

  #run(...args: readonly string[]): string {
    const env = { ...process.env, APT_CONFIG: this.#config, LC_ALL: 'C' }
    return execFileSync('apt-get', args, {
      env,
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
}
