import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'tape'
import { modulesOf, tokensOf } from '../../tools/scan-source.ts'
import { tidy } from '../../tools/tidy.ts'

const TIDY = join(import.meta.dirname, '../../tools/tidy.ts')
const CLEAN = {
  'schemas/README.md': '# schemas\n',
  'store/README.md': '# store\n',
  'protocols/README.md': '# protocols\n',
  'actors/README.md': '# actors\n',
  'tools/README.md': '# tools\n',
  'test/README.md': '# test\n',
  'schemas/limits.ts': '/** Bytes of one name; Debian has 60. */\nexport const NAME_BYTES_MAX = 64\n',
  'schemas/units.ts': 'export type Hex = string\n',
  'store/open-store.ts':
    "import Corestore from 'corestore'\nimport '../schemas/units.ts'\nexport const open = Corestore\n",
  'actors/port.ts': "import { fromCallback } from 'xstate'\nexport const port = fromCallback\n",
  'actors/follow-feed.ts':
    "import { setup } from 'xstate'\nimport './port.ts'\nexport const followFeed = setup({}).createMachine({})\n",
  'actors/ports/store-port.ts': "import '../../store/open-store.ts'\n",
  'actors/runtime.ts': "import './ports/store-port.ts'\nimport './follow-feed.ts'\n",
  'tools/cli.ts': "import '../actors/runtime.ts'\nimport 'commander'\n",
  'test/store/open-store.brittle.ts': "import 'corestore'\nimport 'protomux'\nimport '../../store/open-store.ts'\n",
}

/** @returns what tidy says about the clean tree with `planted` in it, each as `file:line: rule`. */
function tidyWith(planted: Record<string, string>): string[] {
  const root = plant(planted)
  try {
    return tidy(root).map(({ file, line, rule }) => `${file}:${line}: ${rule}`)
  } finally {
    rmSync(root, { recursive: true })
  }
}

function plant(planted: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'freshet-tidy-'))
  for (const [file, text] of Object.entries({ ...CLEAN, ...planted })) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

test('tidy: a clean tree → no violation', (t) => {
  t.deepEqual(tidyWith({}), [])
  t.end()
})

test('tidy: a folder imports what it may not → the line of the import, in every form of import', (t) => {
  const file = 'store/pool.ts'
  const forms = [
    "import x from '../protocols/wire.ts'",
    "import type { X } from '../protocols/wire.ts'",
    "import {\n  a,\n  b,\n} from '../protocols/wire.ts'",
    "import '../protocols/wire.ts'",
    "export * from '../protocols/wire.ts'",
    "export { a, b } from '../protocols/wire.ts'",
    "const x = await import('../protocols/wire.ts')",
    "const x = await import(\n  '../protocols/wire.ts'\n)",
    'const x = await import(`../protocols/wire.ts`)',
    "type X = import('../protocols/wire.ts').X",
    "const worker = new Worker(new URL('../protocols/wire.ts', import.meta.url))",
    'const worker = new URL(`../protocols/wire${extname(import.meta.url)}`, import.meta.url)',
    "const x = `${await import('../protocols/wire.ts')}`",
    "const x = await import('../' + name)",
  ]
  for (const form of forms) {
    const found = tidyWith({ [file]: `// a comment\n${form}\n` })
    t.equal(found.length, 1, form)
    t.match(found[0] ?? '', /^store\/pool\.ts:[2-5]: layer$/, form)
  }
  t.end()
})

test('tidy: every forbidden direction → a layer violation', (t) => {
  const directions: [string, string][] = [
    ['schemas/release.ts', '../store/open-store.ts'],
    ['protocols/wire.ts', '../store/open-store.ts'],
    ['store/pool.ts', '../actors/port.ts'],
    ['protocols/wire.ts', '../tools/cli.ts'],
    ['actors/runtime.ts', '../tools/cli.ts'],
    ['actors/ports/store-port.ts', '../../tools/cli.ts'],
    ['actors/follow-feed.ts', './runtime.ts'],
    ['tools/cli.ts', '../test/helpers/requires.ts'],
    ['tools/cli.ts', '../lib/elsewhere.ts'],
    ['tools/cli.ts', '../elsewhere.ts'],
    ['actors/follow-feed.ts', '../store/open-store.ts'],
    ['actors/follow-feed.ts', './ports/store-port.ts'],
  ]
  for (const [file, specifier] of directions) {
    const machine = file === 'actors/follow-feed.ts' ? 'export const followFeed = createMachine({})' : ''
    const found = tidyWith({ [file]: `import '${specifier}'\n${machine}\n` })
    t.deepEqual(found, [`${file}:1: layer`], `${file} → ${specifier}`)
  }
  t.end()
})

test('tidy: a machine reaches something live through another file of actors → a layer violation', (t) => {
  const found = tidyWith({
    'actors/choose.ts': "import { readFileSync } from 'node:fs'\nexport const choose = readFileSync\n",
    'actors/between.ts': "export { choose } from './choose.ts'\n",
    'actors/plan.ts': "import { setup } from 'xstate'\nimport './between.ts'\nsetup({}).createMachine({})\n",
  })
  t.deepEqual(found, ['actors/plan.ts:2: layer'])
  t.end()
})

test('tidy: a substrate package outside its folder → an owner violation', (t) => {
  const owned: [string, string][] = [
    ['actors/runtime.ts', 'hypercore'],
    ['actors/runtime.ts', 'hypercore/lib/verifier.js'],
    ['protocols/wire.ts', 'corestore'],
    ['store/pool.ts', 'protomux'],
    ['store/pool.ts', '@hyperswarm/secret-stream'],
    ['tools/cli.ts', 'hyperdht'],
    ['tools/cli.ts', 'xstate'],
    ['schemas/release.ts', 'tar-stream'],
    ['schemas/release.ts', 'fast-check'],
  ]
  for (const [file, name] of owned)
    t.deepEqual(tidyWith({ [file]: `import '${name}'\n` }), [`${file}:1: owner`], `${file}: ${name}`)
  t.deepEqual(
    tidyWith({ 'tools/x.d.ts': "declare module 'hypercore' {\n}\n" }),
    ['tools/x.d.ts:1: owner'],
    'types in the wrong folder',
  )
  t.end()
})

test('tidy: a word that would make a machine impure → a machine violation, in machines only', (t) => {
  const phrases = [
    '{ after: {} }',
    '{ onDone: 1 }',
    '{ onError: 1 }',
    'raise({})',
    'Date.now()',
    'Date\n  .now()',
    'new Date()',
    'Math.random()',
  ]
  for (const phrase of phrases) {
    const text = `export const x = ${phrase}\n`
    t.deepEqual(
      tidyWith({ 'actors/plan.ts': `setup({}).createMachine({})\n${text}` }),
      ['actors/plan.ts:2: machine'],
      phrase,
    )
    t.deepEqual(tidyWith({ 'actors/runtime.ts': text }), [], `${phrase} in the runtime`)
  }
  const harmless =
    "setup({}).createMachine({})\n// raise( and Date.now( here\nconst x = 'Math.random(' // after:\nconst thereafter: string = x\n"
  t.deepEqual(tidyWith({ 'actors/plan.ts': harmless }), [], 'comments, strings and longer words')
  t.end()
})

test('tidy: a machine that imports a package or stands in a lower folder → a machine violation', (t) => {
  const machine = (line: string) => `${line}\nexport const plan = setup({}).createMachine({})\n`
  t.deepEqual(tidyWith({ 'actors/plan.ts': machine("import 'node:crypto'") }), ['actors/plan.ts:1: machine'])
  t.deepEqual(tidyWith({ 'actors/ports/plan.ts': machine('') }), ['actors/ports/plan.ts:1: machine'])
  t.end()
})

test('tidy: names and lengths → one violation each', (t) => {
  const rows = 'x\n'.repeat(400)
  t.deepEqual(tidyWith({ 'store/utils.ts': '' }), ['store/utils.ts:1: name'])
  t.deepEqual(tidyWith({ 'store/common/pool.ts': '' }), ['store/common/pool.ts:1: name'])
  t.deepEqual(tidyWith({ 'store/pieceMap.ts': '' }), ['store/pieceMap.ts:1: name'])
  t.deepEqual(tidyWith({ 'test/store/piece-map.tape.ts': '', 'store/corestore.d.ts': '', 'store/a-b2.ts': '' }), [])
  t.deepEqual(tidyWith({ 'store/pool.ts': rows }), [], '400 lines are allowed')
  t.deepEqual(tidyWith({ 'store/pool.ts': `${rows}x\n` }), ['store/pool.ts:401: length'])
  t.deepEqual(tidyWith({ 'test/vectors/Packages_2.text': `${rows}x\n` }), [], 'vectors are exempt')
  t.end()
})

test('tidy: a bound without a doc comment → a limits violation', (t) => {
  const text = '/** One. */\nexport const A_MAX = 1\nexport const B_MAX = 2\n'
  t.deepEqual(tidyWith({ 'schemas/limits.ts': text }), ['schemas/limits.ts:3: limits'])
  t.end()
})

test('tidy: a folder without README → a readme violation', (t) => {
  const root = plant({})
  rmSync(join(root, 'store/README.md'))
  t.deepEqual(tidy(root), [{ file: 'store/README.md', line: 1, rule: 'readme', what: 'every folder has a README.md' }])
  rmSync(root, { recursive: true })
  t.end()
})

test('tidy: a table of files that misses a file → a readme violation', (t) => {
  const readme = '<!-- files -->\n| `open-store.ts` | opens |\n<!-- /files -->\n'
  t.deepEqual(tidyWith({ 'store/README.md': readme }), [])
  t.deepEqual(tidyWith({ 'store/README.md': readme, 'store/pool.ts': '' }), ['store/README.md:1: readme'])
  t.end()
})

test('tidy: as a command → violations one a line and exit 1, nothing and exit 0 when clean', (t) => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  const clean = plant({})
  const dirty = plant({ 'store/pool.ts': "import 'protomux'\n", 'tools/run.ts': "\nimport 'corestore'\n" })
  t.equal(execFileSync(process.execPath, ['--import', tsx, TIDY], { cwd: clean, encoding: 'utf8' }), '')
  const { status, stdout } = spawnSync(process.execPath, ['--import', tsx, TIDY], { cwd: dirty, encoding: 'utf8' })
  t.equal(status, 1)
  t.equal(
    stdout,
    'store/pool.ts:1: owner: protomux belongs to protocols\ntools/run.ts:2: owner: corestore belongs to store\n',
  )
  for (const root of [clean, dirty]) rmSync(root, { recursive: true })
  t.end()
})

test('scan source: text that only looks like an import → not seen', (t) => {
  const source = [
    "// import 'a'",
    "/* import 'b' */ const s = \"import 'c'\"",
    "const template = `import 'd' ${s} from 'e'`",
    "const pattern = /from 'f'/.test(s) && 4 / 2 / 1",
    'const quoted = /[/\'"`]/.exec(s)',
    "Buffer.from('g'); other.import('h'); ({ from: 'i' })",
    "new URL('http://example.org/x.ts'); new URL('./data.json', import.meta.url)",
    "import 'seen'",
  ].join('\n')
  t.deepEqual(modulesOf(tokensOf(source)), [{ specifier: 'seen', line: 8 }])
  t.end()
})
