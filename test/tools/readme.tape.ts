/** README.md against the program: what it names must exist, and what exists must be named. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import test from 'tape'
import { ERROR_CODES } from '../../schemas/errors.ts'
import { createProgram } from '../../tools/commands/program.ts'

const ROOT = join(import.meta.dirname, '../..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  scripts: Record<string, string>
}

/** Code in the text: lines of shell blocks without their comments, and what stands between backticks. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = '']) => block.split('\n'))
  const rest = text.replace(/^```[^]*?^```$/gm, '')
  const inline = [...rest.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  return [...blocks.map((line) => line.replace(/ {2,}#.*$/, '')), ...inline].map((code) => code.trim())
}

/** The command that the words after `freshet` name, and the words that are left. Null when there is no such command. */
function find(program: Command, words: readonly string[]): { command: Command; rest: readonly string[] } | null {
  let command = program
  let rest = words
  while (command.commands.length > 0) {
    const next = command.commands.find((one) => one.name() === rest[0])
    if (next === undefined) return null
    command = next
    rest = rest.slice(1)
  }
  return { command, rest }
}

function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}

const optionsOf = (text: string): string[] => [...text.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option)

const code = codeOf(readme)
const commandLines = code.flatMap((line) => {
  const words = /(?:^|\$\()freshet ([^)]*)/.exec(line)?.[1]
  return words === undefined ? [] : [words]
})
const program = createProgram()

test('readme: each command line → the command exists and its --help has every option', (t) => {
  t.ok(commandLines.length > 15, `${commandLines.length} command lines`)
  for (const line of commandLines) {
    if (line.startsWith('COMMAND ')) continue // stands for any
    const found = find(program, line.split(/\s+/))
    t.ok(found, `freshet ${line}`)
    const help = found?.command.helpInformation() ?? ''
    for (const option of optionsOf(line)) t.ok(optionsOf(help).includes(option), `${option} of freshet ${line}`)
  }
  t.end()
})

test('readme: each command of the program → the table has it, with every option that is its own', (t) => {
  const everywhere = new Set(['--home', '--json', '--bootstrap', '--help'])
  for (const command of leavesOf(program)) {
    const name = fullName(command)
    const rows = readme.split('\n').filter((line) => line.startsWith(`| \`${name}`))
    t.ok(rows.length > 0, name)
    for (const option of optionsOf(command.helpInformation().replace(/^ {30}.*$/gm, ''))) {
      if (!everywhere.has(option))
        t.ok(
          rows.some((row) => row.includes(option)),
          `${option} of ${name}`,
        )
    }
  }
  t.end()
})

test('readme: each option that is named alone → some command has it', (t) => {
  const known = new Set(leavesOf(program).flatMap((command) => optionsOf(command.helpInformation())))
  const alone = code.filter((text) => text.startsWith('--'))
  t.ok(alone.length > 0)
  for (const option of alone.flatMap(optionsOf)) t.ok(known.has(option), option)
  t.end()
})

test('readme: each path and link → it exists', (t) => {
  for (const [name, text] of Object.entries({ 'README.md': readme, 'CHANGELOG.md': changelog })) {
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = '']) => target)
    const named = codeOf(text).flatMap((line) =>
      [...line.matchAll(/(?:^|\s)((?:schemas|store|protocols|actors|tools|test|\.ci)\/[\w./-]*)/g)].map(
        ([, path = '']) => path,
      ),
    )
    for (const path of new Set([...links, ...named])) {
      if (path === 'store/pool' || path === 'crash/') continue // parts of paths, for npm test
      t.ok(existsSync(join(ROOT, path)), `${path} in ${name}`)
    }
  }
  t.end()
})

test('readme: each npm script and error code → it exists; the version has an entry in the changelog', (t) => {
  const scripts = [...readme.matchAll(/npm run ([a-z]+)/g)].map(([, script = '']) => script)
  t.ok(scripts.length > 3)
  for (const script of scripts) t.ok(manifest.scripts[script], `npm run ${script}`)
  // What it sets in an environment.
  const setting = ['tools/commands/bisect.ts', 'actors/ports/deliver.ts'].map((path) =>
    readFileSync(join(ROOT, path), 'utf8'),
  )
  for (const word of code.filter((text) => /^[A-Z]+(?:_[A-Z]+)+$/.test(text))) {
    t.ok(
      word.startsWith('FRESHET_') ? setting.some((source) => source.includes(`${word}:`)) : word in ERROR_CODES,
      word,
    )
  }
  t.ok(changelog.includes(`## [${manifest.version}]`), manifest.version)
  t.equal(program.version(), manifest.version, 'freshet --version')
  t.end()
})
