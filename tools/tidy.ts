/**
 * The rules of this repository that no general tool checks, as data: who may import whom, which package belongs to
 * which folder, what a machine may not do, and how files are named and sized.
 *
 * Prints one line per violation, `file:line: rule: what`, and exits 1 when there is any. Tests: test/tools/tidy.tape.ts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { linesWith, modulesOf, tokensOf, type ModuleReference, type Token } from './scan-source.ts'

/** Rows are places; a place is a folder, except that actors/ has two: what is pure, and what reaches effects. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  schemas: ['schemas'],
  store: ['store', 'schemas'],
  protocols: ['protocols', 'schemas'],
  'actors (pure)': ['actors (pure)', 'schemas'],
  'actors (live)': ['actors (live)', 'actors (pure)', 'schemas', 'store', 'protocols'],
  tools: ['tools', 'actors (live)', 'actors (pure)', 'schemas', 'store', 'protocols'],
}
/** May import everything and every package. */
const UNRESTRICTED = 'test'

/** A substrate package has one owner, where its types live too. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  xstate: ['actors'],
  protomux: ['protocols'],
  hyperswarm: ['protocols'],
  hyperdht: ['protocols'],
  'multicast-dns': ['protocols'],
  '@hyperswarm/secret-stream': ['protocols'],
  hypercore: ['store'],
  'hypercore-crypto': ['store'],
  corestore: ['store'],
  hyperbee: ['store'],
  '@automerge/automerge': ['store'],
  'compact-encoding': ['schemas', 'protocols', 'store'],
  openpgp: ['tools'],
  commander: ['tools'],
  'cli-progress': ['tools'],
  'tar-stream': ['tools'],
  fzstd: ['tools'],
  'xz-decompress': ['tools'],
  'cadical-wasm': ['actors'],
  tape: [],
  brittle: [],
  'fast-check': [],
}

/** A machine is a fold of recorded facts: no timers, clocks, chance, or answers that no fact records. */
const BANNED_IN_MACHINES = [
  'after:',
  'onDone:',
  'onError:',
  'raise(',
  'Date.now(',
  'new Date(',
  'performance.now(',
  'Math.random(',
  'setTimeout(',
  'setInterval(',
]
const PACKAGES_OF_MACHINES = ['xstate']

const FOLDERS = ['schemas', 'store', 'protocols', 'actors', 'tools', 'test']
const FILE_LINES_MAX = 400
/** Golden bytes keep the names and lengths that their sources gave them. */
const DATA_FOLDER = 'test/vectors/'
const LIMITS_FILE = 'schemas/limits.ts'
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/

export interface Violation {
  /** Relative to the root, with forward slashes. */
  readonly file: string
  readonly line: number
  readonly rule: string
  readonly what: string
}

interface Source {
  readonly file: string
  readonly tokens: readonly Token[]
  readonly modules: readonly ModuleReference[]
}

/** @returns every violation under `root`, ordered by file and line. */
export function tidy(root: string): Violation[] {
  const files = FOLDERS.flatMap((folder) => listFiles(root, folder))
  const sources = new Map<string, Source>()
  const violations = FOLDERS.flatMap((folder) => checkReadme(root, folder, files))
  for (const file of files) {
    if (file.startsWith(DATA_FOLDER)) continue
    const text = readFileSync(join(root, file), 'utf8')
    violations.push(...checkFile(file, text))
    if (!/\.[cm]?[jt]s$/.test(file)) continue
    const tokens = tokensOf(text)
    sources.set(file, { file, tokens, modules: modulesOf(tokens) })
  }
  for (const source of sources.values()) {
    if (!source.file.startsWith(`${UNRESTRICTED}/`)) violations.push(...checkImports(source, sources, root))
    if (isMachine(source)) violations.push(...checkMachine(source))
  }
  return violations.toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line)
}

function listFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
}

function checkReadme(root: string, folder: string, files: readonly string[]): Violation[] {
  const file = `${folder}/README.md`
  if (!existsSync(join(root, file))) return [{ file, line: 1, rule: 'readme', what: 'every folder has a README.md' }]
  const text = readFileSync(join(root, file), 'utf8')
  if (!text.includes('<!-- files')) return []
  return files
    .filter((path) => path.startsWith(`${folder}/`) && path.endsWith('.ts'))
    .filter((path) => !text.includes(`\`${path.slice(folder.length + 1)}\``))
    .map((path) => ({ file, line: 1, rule: 'readme', what: `does not name ${path}: npm run readmes` }))
}

function checkFile(file: string, text: string): Violation[] {
  const violations: Violation[] = []
  const report = (line: number, rule: string, what: string) => violations.push({ file, line, rule, what })
  const lines = text.split('\n')
  const lineCount = lines.at(-1) === '' ? lines.length - 1 : lines.length
  if (lineCount > FILE_LINES_MAX) report(FILE_LINES_MAX + 1, 'length', `${lineCount} lines, at most ${FILE_LINES_MAX}`)
  const path = file.split('/')
  for (const name of path) {
    const stem = name.replace(/\..*$/, '')
    if (name !== 'README.md' && !KEBAB_CASE.test(stem)) report(1, 'name', `"${name}" is not kebab-case`)
    if (/^(utils?|common|helpers?|misc)$/.test(stem) && path[0] !== UNRESTRICTED)
      report(1, 'name', `"${name}" says nothing`)
  }
  if (file !== LIMITS_FILE) return violations
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('export ') || lines[index - 1]?.trimEnd().endsWith('*/')) continue
    report(index + 1, 'limits', `no doc comment with unit and reason: ${line.slice(0, 60)}`)
  }
  return violations
}

function isMachine(source: Source): boolean {
  return (
    source.file.startsWith('actors/') &&
    source.tokens.some(({ text, kind }) => kind === 'word' && text === 'createMachine')
  )
}

function checkMachine({ file, tokens, modules }: Source): Violation[] {
  const violations: Violation[] = []
  if (file.split('/').length !== 2)
    violations.push({ file, line: 1, rule: 'machine', what: 'a machine stands in actors/' })
  for (const phrase of BANNED_IN_MACHINES) {
    for (const line of linesWith(tokens, phrase))
      violations.push({ file, line, rule: 'machine', what: `no "${phrase}"` })
  }
  for (const { specifier, line } of modules) {
    if (specifier === null || specifier.startsWith('.') || PACKAGES_OF_MACHINES.includes(specifier)) continue
    violations.push({ file, line, rule: 'machine', what: `a machine imports no package but xstate: ${specifier}` })
  }
  return violations
}

function checkImports(source: Source, sources: ReadonlyMap<string, Source>, root: string): Violation[] {
  const violations: Violation[] = []
  const folder = source.file.split('/')[0] ?? ''
  const place = isMachine(source) ? 'actors (pure)' : placeOf(source.file, sources, root)
  for (const { specifier, line } of source.modules) {
    const report = (rule: string, what: string) => violations.push({ file: source.file, line, rule, what })
    if (specifier === null) report('layer', 'import of a computed name')
    else if (specifier.startsWith('.')) {
      const target = targetOf(source.file, specifier, root)
      const targetPlace = placeOf(target, sources, root)
      if (!MAY_IMPORT[place]?.includes(targetPlace))
        report('layer', `${place} may not import ${targetPlace}: ${target}`)
    } else {
      const owners = ONLY_IN[packageOf(specifier)]
      if (owners !== undefined && !owners.includes(folder)) {
        report('owner', `${packageOf(specifier)} belongs to ${owners.join(', ') || UNRESTRICTED}`)
      } else if (specifier.startsWith('/') || specifier.startsWith('file:') || specifier.startsWith('#')) {
        report('layer', `neither relative nor a package: ${specifier}`)
      }
    }
  }
  return violations
}

/** Live: actors/ports, and a file of actors/ that reaches store, protocols, ports or Node itself, directly or not. */
function placeOf(file: string, sources: ReadonlyMap<string, Source>, root: string, seen = new Set<string>()): string {
  const [folder = '', next = ''] = file.split('/')
  if (folder !== 'actors') return file.includes('/') ? folder : 'no folder of ours'
  if (next === 'ports') return 'actors (live)'
  const source = sources.get(file)
  if (source === undefined || seen.has(file)) return 'actors (pure)'
  seen.add(file)
  const live = source.modules.some(({ specifier }) => {
    if (specifier === null) return true
    if (!specifier.startsWith('.')) return isBuiltin(specifier)
    const place = placeOf(targetOf(file, specifier, root), sources, root, seen)
    return place !== 'actors (pure)' && place !== 'schemas'
  })
  return live ? 'actors (live)' : 'actors (pure)'
}

function targetOf(file: string, specifier: string, root: string): string {
  return relative(root, resolve(root, dirname(file), specifier))
    .split(sep)
    .join('/')
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

if (process.argv[1] === import.meta.filename) {
  const violations = tidy(process.cwd())
  for (const { file, line, rule, what } of violations) console.log(`${file}:${line}: ${rule}: ${what}`)
  process.exitCode = violations.length > 0 ? 1 : 0
}
