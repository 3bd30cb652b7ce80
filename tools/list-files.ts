/**
 * `npm run readmes`: writes the table of files in the README.md of each folder, from the header comments of the files.
 *
 * Only what stands between the two markers is replaced; everything else in a README is written by hand.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative, sep } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const FOLDERS = ['schemas', 'store', 'protocols', 'actors', 'tools', 'test']
const TABLE = /<!-- files[^>]*-->\n[^]*?<!-- \/files -->/
const OPENING = '<!-- files: from the header comments, by `npm run readmes` -->'

/** @returns the first sentence of the comment at the top of `text`, on one line; '' when there is none. */
export function purposeOf(text: string): string {
  const header = /^(?:#![^\n]*\n)?\/\*\*([^]*?)\*\//.exec(text)?.[1] ?? ''
  const lines = header.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trim())
  const paragraph = lines.join('\n').trim().split('\n\n')[0]?.replaceAll('\n', ' ') ?? ''
  const sentence = /^.*?[.:](?= [A-Z]|$)/.exec(paragraph)?.[0] ?? paragraph
  return sentence.replace(/[.:]$/, '').replaceAll('|', '\\|')
}

/** What a test file is about: the subjects of its titles, which are `subject: condition → outcome`. */
function subjectsOf(text: string): string {
  const titles = text.matchAll(/^\s*test(?:\.\w+)?\(\s*[`'"]([^:`'"]+):/gm)
  return [...new Set([...titles].map(([, subject = '']) => subject.replace(/\$\{[^}]*\}/g, '…')))].join(', ')
}

function tableOf(folder: string): string {
  const rows = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted((a, b) => a.split(sep).length - b.split(sep).length || a.localeCompare(b))
    .map((path) => {
      const text = readFileSync(path, 'utf8')
      const isTest = /\.(tape|brittle)\.ts$/.test(basename(path))
      const name = relative(join(ROOT, folder), path).split(sep).join('/')
      return `| \`${name}\` | ${(isTest && purposeOf(text) === '' ? subjectsOf(text) : purposeOf(text)) || '?'} |`
    })
  return [OPENING, '| file | what it does |', '|---|---|', ...rows, '<!-- /files -->'].join('\n')
}

if (process.argv[1] === import.meta.filename) {
  for (const folder of FOLDERS) {
    const path = join(ROOT, folder, 'README.md')
    const text = readFileSync(path, 'utf8')
    if (!TABLE.test(text)) throw new Error(`${path} has no table of files between <!-- files --> and <!-- /files -->`)
    writeFileSync(
      path,
      text.replace(TABLE, () => tableOf(folder)),
    )
  }
}
