/**
 * Tokens of a TypeScript source and the modules it refers to: what tools/tidy.ts needs to see, and no more.
 *
 * A scanner instead of a pattern, because comments and strings are full of words that look like imports. It is not a
 * parser: it knows comments, strings, templates, regular expressions and words. It needs no compiler interface, so
 * it survives compiler upgrades.
 */

export interface Token {
  readonly kind: 'word' | 'string' | 'mark'
  /** For a string, what is between the quotes. */
  readonly text: string
  readonly line: number
}

export interface ModuleReference {
  /** null: an `import()` of something that is not a plain string, so nobody can say what it loads. */
  readonly specifier: string | null
  readonly line: number
}

const WORD = /[\p{L}\p{N}_$#]+/uy
const SPACE = /\s+/y
const COMMENT = /\/\/[^\n]*|\/\*[^]*?\*\//y
const STRING = /'(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*"/y
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y
const REGULAR_EXPRESSION = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
/** After one of these a slash starts a regular expression; after any other word it divides. */
const BEFORE_EXPRESSION = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'void',
  'delete',
  'throw',
  'new',
  'else',
  'yield',
  'await',
])

/** @returns the tokens of `source` in order, without comments and regular expressions. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  // One entry per template that is being read: how many braces stand open inside its current `${`.
  const templates: number[] = []
  let offset = source.startsWith('#!') ? source.indexOf('\n') : 0
  let line = 1

  function take(pattern: RegExp): string | null {
    pattern.lastIndex = offset
    const found = pattern.exec(source)?.[0] ?? null
    if (found === null) return null
    offset += found.length
    for (const character of found) if (character === '\n') line += 1
    return found
  }
  function push(kind: Token['kind'], text: string, startLine: number): void {
    tokens.push({ kind, text, line: startLine })
  }
  function takeTemplate(): void {
    const startLine = line
    push('string', take(TEMPLATE_TEXT) ?? '', startLine)
    if (source[offset] === '$') {
      templates.push(0)
      offset += 2
    } else offset += 1
  }
  function takeMark(mark: string): void {
    offset += 1
    const depth = templates.at(-1)
    if (mark === '`') return takeTemplate()
    if (mark === '}' && depth === 0) {
      templates.pop()
      return takeTemplate()
    }
    if (depth !== undefined && mark === '{') templates[templates.length - 1] = depth + 1
    if (depth !== undefined && mark === '}') templates[templates.length - 1] = depth - 1
    push('mark', mark, line)
  }

  while (offset >= 0 && offset < source.length) {
    if (take(SPACE) !== null || take(COMMENT) !== null) continue
    const startLine = line
    const text = take(STRING)
    if (text !== null) {
      push('string', text.slice(1, -1), startLine)
      continue
    }
    if (source[offset] === '/' && expressionMayStart(tokens.at(-1)) && take(REGULAR_EXPRESSION) !== null) continue
    const word = take(WORD)
    if (word === null) takeMark(source[offset] ?? '')
    else push('word', word, startLine)
  }
  return tokens
}

function expressionMayStart(previous: Token | undefined): boolean {
  if (previous === undefined) return true
  if (previous.kind === 'word') return BEFORE_EXPRESSION.has(previous.text)
  return previous.kind === 'mark' && ![')', ']', '}'].includes(previous.text)
}

/** @returns every module that `tokens` name: imports of all forms, re-exports, worker URLs, declared modules. */
export function modulesOf(tokens: readonly Token[]): ModuleReference[] {
  const references: ModuleReference[] = []
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'word' || tokens[index - 1]?.text === '.') continue
    const next = tokens[index + 1]
    const called = next?.text === '(' && next.kind === 'mark'
    if (['from', 'import', 'module'].includes(token.text) && next?.kind === 'string') {
      references.push({ specifier: next.text, line: next.line })
    } else if (called && ['import', 'require', 'URL'].includes(token.text)) {
      const reference = calledModule(token, tokens[index + 2], tokens[index + 3])
      if (reference !== null) references.push(reference)
    }
  }
  return references
}

function calledModule(callee: Token, argument: Token | undefined, after: Token | undefined): ModuleReference | null {
  if (callee.text === 'URL') {
    // `new URL('./worker.ts', import.meta.url)` names a module, also when its extension is computed; other URLs do not.
    const relative = argument?.kind === 'string' && /^\.\.?\//.test(argument.text)
    const script = /\.[cm]?[jt]s$/.test(argument?.text ?? '') || after?.text !== ','
    return relative && script ? { specifier: argument.text, line: callee.line } : null
  }
  const whole = argument?.kind === 'string' && (after?.text === ')' || after?.text === ',')
  return { specifier: whole ? argument.text : null, line: callee.line }
}

/** @returns the lines where the tokens of `phrase` follow one another in `tokens`, strings and comments apart. */
export function linesWith(tokens: readonly Token[], phrase: string): number[] {
  const wanted = tokensOf(phrase)
  const lines: number[] = []
  for (const [index, token] of tokens.entries()) {
    const matches = wanted.every(({ text }, step) => {
      const candidate = tokens[index + step]
      return candidate !== undefined && candidate.kind !== 'string' && candidate.text === text
    })
    if (matches) lines.push(token.line)
  }
  return lines
}
