/**
 * The text of a node's config file: `name = value` lines, `#` begins a comment, as in /etc.
 *
 * Pure. A text is taken whole or not at all: the first line that is not right refuses it (CONFIG_INVALID with file, line, name).
 * Editing changes one line and leaves everything that a person wrote around it, so that comments live on.
 */
import { FreshetError } from './errors.ts'
import type { ErrorDetail } from './errors.ts'
import { DEFAULT_CONFIG, isSettingName, SETTING_NAMES, SETTINGS } from './node-config.ts'
import type { NodeConfig, SettingName } from './node-config.ts'
import { SettingRefusal } from './setting-kinds.ts'

export interface ParsedConfig {
  readonly config: NodeConfig
  /** What stands in the file, as it is written there. */
  readonly written: ReadonlyMap<SettingName, string>
}

/** @param path of the file, for errors. @throws FreshetError CONFIG_INVALID. */
export function parseConfig(text: string, path: string): ParsedConfig {
  const written = new Map<SettingName, string>()
  const config: Record<string, unknown> = { ...DEFAULT_CONFIG }
  for (const [index, line] of text.split('\n').entries()) {
    const at = { path, line: index + 1 }
    const statement = statementOf(line)
    if (statement === null) continue
    const { name, value } = statement
    if (name === '') throw invalid(at, `${shown(line)} is not a line of the form NAME = VALUE`)
    const setting = requireSetting(name, at)
    if (written.has(setting)) throw invalid({ ...at, key: name }, `${name} stands in the file twice`)
    config[setting] = parseValue(setting, value, at)
    written.set(setting, value)
  }
  return { config: config as NodeConfig, written }
}

/** `text` with one setting changed; null takes its lines out. Nothing is checked: parse what comes out. */
export function editConfig(text: string, name: string, value: string | null): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  let done = false
  const edited = lines.flatMap((line) => {
    const statement = statementOf(line)
    if (statement?.name !== name) return [line]
    if (done || value === null) return []
    done = true
    return [`${statement.before}${value}${statement.after}`]
  })
  if (!done && value !== null) edited.push(`${name} = ${value}`)
  return edited.length === 0 ? '' : `${edited.join('\n')}\n`
}

interface Statement {
  /** '' where there is none, or no equals sign after it. */
  readonly name: string
  readonly value: string
  /** What stands around the value. */
  readonly before: string
  readonly after: string
}

/** Null: the line is empty, or a comment only. No value has a `#` in it, so that each begins a comment. */
function statementOf(line: string): Statement | null {
  const comment = line.indexOf('#')
  const said = comment < 0 ? line : line.slice(0, comment)
  if (said.trim() === '') return null
  const equals = said.indexOf('=')
  const name = said.slice(0, Math.max(equals, 0)).trim()
  const rest = said.slice(equals + 1)
  const value = rest.trim()
  const start = equals + 1 + (rest.length - rest.trimStart().length)
  return { name, value, before: line.slice(0, start), after: line.slice(start + value.length) }
}

/** @throws FreshetError CONFIG_INVALID for a name that no setting has. */
export function requireSetting(name: string, at: ErrorDetail = {}): SettingName {
  if (isSettingName(name)) return name
  throw invalid({ ...at, key: name }, `there is no setting ${shown(name)}; there are ${SETTING_NAMES.join(', ')}`)
}

/** @throws FreshetError CONFIG_INVALID for a value that the setting cannot have. */
export function parseValue<Name extends SettingName>(name: Name, value: string, at: ErrorDetail): NodeConfig[Name] {
  try {
    return SETTINGS[name].parse(value.trim()) as NodeConfig[Name]
  } catch (error) {
    if (!(error instanceof SettingRefusal)) throw error
    throw invalid({ ...at, key: name }, `${name}: ${error.message.slice(0, MESSAGE_CHARACTERS_MAX)}`)
  }
}

/** A file of another kind has long lines; an error is one short one. */
const MESSAGE_CHARACTERS_MAX = 300
const SHOWN_CHARACTERS_MAX = 60

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}...` : text)
}

function invalid(detail: ErrorDetail, reason: string): FreshetError {
  const { path, line } = detail
  const where = path === undefined ? '' : line === undefined ? `${path}: ` : `${path}:${line}: `
  return new FreshetError('CONFIG_INVALID', `${where}${reason}`, detail)
}
