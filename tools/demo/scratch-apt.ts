/**
 * A real apt with a root of its own: its lists, cache, sources, keys and status file are a temporary folder.
 *
 * For tests, benchmarks and the demo. Nothing of the machine's own apt configuration is read (APT_CONFIG is read before
 * `apt.conf.d` and moves `Dir`), nothing is installed, and the machine's lists and cache stay untouched. Commands run as
 * child processes, so a gateway in the same process keeps serving. Source: apt.conf(5), apt-get(8).
 */
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export interface ScratchAptOptions {
  /** Lines of sources.list. */
  readonly sources: readonly string[]
  /** Files put into `trusted.gpg.d`: `.gpg` binary, `.asc` armoured. */
  readonly keyrings?: readonly string[]
  /** Default: the machine's. */
  readonly architecture?: string
  /** Text of the status file: what counts as installed. Default: nothing. */
  readonly status?: string
  /** Further lines of apt.conf. */
  readonly settings?: readonly string[]
}

export interface AptRun {
  readonly exitCode: number
  /** Standard output, then standard error. */
  readonly output: string
  readonly elapsedMs: number
}

export interface AptPolicy {
  readonly name: string
  readonly installed: string | null
  readonly candidate: string | null
}

export interface ScratchApt {
  readonly root: string
  /** `apt-get update`; any failure of any source makes the exit code 100. */
  update(): Promise<AptRun>
  policy(names: readonly string[]): Promise<AptPolicy[]>
  /** `apt-get download`: NAME or NAME=VERSION. `paths` are the .debs that this call brought. */
  download(names: readonly string[]): Promise<AptRun & { readonly paths: readonly string[] }>
  /** Any other command of apt in this root, such as `apt-get -s install NAME`. */
  run(command: string, args: readonly string[]): Promise<AptRun>
  remove(): Promise<void>
}

const FOLDERS = [
  'etc/apt/apt.conf.d',
  'etc/apt/preferences.d',
  'etc/apt/trusted.gpg.d',
  'var/lib/apt/lists/partial',
  'var/cache/apt/archives/partial',
  'var/lib/dpkg',
  'var/log/apt',
]
const RUN_MS_MAX = 300_000
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024

export async function scratchApt(options: ScratchAptOptions): Promise<ScratchApt> {
  const root = await mkdtemp(join(tmpdir(), 'scratch-apt-'))
  for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'etc/apt/sources.list'), options.sources.map((line) => `${line}\n`).join(''))
  await writeFile(join(root, 'var/lib/dpkg/status'), options.status ?? '')
  for (const keyring of options.keyrings ?? []) {
    await copyFile(keyring, join(root, 'etc/apt/trusted.gpg.d', basename(keyring)))
  }
  await writeFile(join(root, 'apt.conf'), settingsOf(root, options))
  const run = async (command: string, args: readonly string[]): Promise<AptRun> => await runApt(root, command, args)
  const debs = async (): Promise<string[]> => (await readdir(root)).filter((name) => name.endsWith('.deb'))
  return {
    root,
    run,
    update: async () => await run('apt-get', ['update', '-o', 'APT::Update::Error-Mode=any']),
    policy: async (names) => parsePolicy((await run('apt-cache', ['policy', ...names])).output),
    download: async (names) => {
      const before = new Set(await debs())
      const result = await run('apt-get', ['download', ...names])
      const paths = (await debs()).filter((name) => !before.has(name)).map((name) => join(root, name))
      return { ...result, paths }
    },
    remove: async () => await rm(root, { recursive: true, force: true }),
  }
}

function settingsOf(root: string, { architecture, settings = [] }: ScratchAptOptions): string {
  const lines = [
    `Dir "${root}";`,
    `Dir::State::status "${root}/var/lib/dpkg/status";`,
    'Debug::NoLocking "true";',
    'APT::Sandbox::User "root";', // the unprivileged user of apt could not write into a temporary folder
    'Acquire::Languages "none";',
    'Acquire::http::Proxy "DIRECT";',
    'Acquire::Retries "0";', // a test that sees a failure must see the first one
    ...(architecture === undefined ? [] : [`APT::Architecture "${architecture}";`]),
    ...settings,
  ]
  return lines.map((line) => `${line}\n`).join('')
}

async function runApt(root: string, command: string, args: readonly string[]): Promise<AptRun> {
  const startedAtMs = performance.now()
  const child = spawn(command, args, {
    cwd: root,
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      LC_ALL: 'C.UTF-8',
      HOME: root,
      APT_CONFIG: join(root, 'apt.conf'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
  })
  const [output, errors] = [collect(child.stdout), collect(child.stderr)]
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  return { exitCode, output: output() + errors(), elapsedMs: performance.now() - startedAtMs }
}

/** Keeps the beginning of a stream; what is beyond the bound is read and dropped. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let byteLength = 0
  stream.on('data', (chunk: Buffer) => {
    if (byteLength < OUTPUT_BYTES_MAX) chunks.push(chunk)
    byteLength += chunk.byteLength
  })
  return () => Buffer.concat(chunks).toString()
}

function parsePolicy(output: string): AptPolicy[] {
  const policies: AptPolicy[] = []
  for (const match of output.matchAll(/^(\S+):\n {2}Installed: (.+)\n {2}Candidate: (.+)$/gm)) {
    const [, name = '', installed = '', candidate = ''] = match
    policies.push({ name, installed: versionOrNull(installed), candidate: versionOrNull(candidate) })
  }
  return policies
}

function versionOrNull(text: string): string | null {
  return text === '(none)' ? null : text
}
