/**
 * A node's config file: read whole, changed one setting at a time, replaced durably.
 *
 * Owns what is in force: the last text that was right, before the first the defaults. A text that is not right changes nothing,
 * neither here nor on disk. Only what a change leads to must be right, so that a wrong line can be mended with one.
 * The file is its owner's: it may be missing (everything is as by default), be edited by hand, and be a symbolic link.
 */
import { constants } from 'node:fs'
import { mkdir, open, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DEFAULT_CONFIG } from '../schemas/node-config.ts'
import { editConfig, parseConfig, parseValue, requireSetting } from '../schemas/config-text.ts'
import type { ParsedConfig } from '../schemas/config-text.ts'
import { FreshetError } from '../schemas/errors.ts'
import { CONFIG_FILE_BYTES_MAX } from '../schemas/limits.ts'
import { asIoError, DIRECTORY_MODE, errnoOf, writeDurably } from './durable.ts'

export class ConfigFile {
  readonly path: string
  #inForce: ParsedConfig = { config: DEFAULT_CONFIG, written: new Map() }
  readonly #onChange: (inForce: ParsedConfig) => void
  /** One change after the other: each begins with what the one before wrote. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(path: string, onChange: (inForce: ParsedConfig) => void = () => {}) {
    this.path = path
    this.#onChange = onChange
  }

  get inForce(): ParsedConfig {
    return this.#inForce
  }

  /** Takes what the file says now. @throws FreshetError CONFIG_INVALID, IO_ERROR: then what was in force stays. */
  reread(): Promise<void> {
    return this.#inTurn(async () => this.#take(parseConfig(await readText(this.path), this.path)))
  }

  /** @throws FreshetError CONFIG_INVALID, IO_ERROR, DISK_FULL: then nothing has changed. */
  set(name: string, value: string): Promise<void> {
    return this.#inTurn(async () => {
      const text = value.trim()
      parseValue(requireSetting(name), text, {}) // by itself first: then the error is about what was asked for
      await this.#edit(await readText(this.path), name, text)
    })
  }

  /** Back to the default. A line of a setting that does not exist is taken out, too. @throws as `set`. */
  unset(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const text = await readText(this.path)
      if (editConfig(text, name, null) === text) requireSetting(name)
      else await this.#edit(text, name, null)
    })
  }

  async #edit(text: string, name: string, value: string | null): Promise<void> {
    const edited = editConfig(text, name, value)
    const parsed = parseConfig(edited, this.path)
    if (edited !== text) await replace(this.path, edited)
    this.#take(parsed)
  }

  #take(parsed: ParsedConfig): void {
    this.#inForce = parsed
    this.#onChange(parsed)
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changing = this.#changing.then(change)
    this.#changing = changing.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return changing
  }
}

/** '' when there is no file. Opened without waiting: a pipe in its place would keep the node from starting. */
async function readText(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!(await file.stat()).isFile()) throw notAConfig(path, 'is not a file')
      const bytes = Buffer.alloc(CONFIG_FILE_BYTES_MAX + 1)
      let byteLength = 0
      for (let read = -1; read !== 0; byteLength += read) {
        read = (await file.read(bytes, byteLength, bytes.byteLength - byteLength)).bytesRead
      }
      if (byteLength > CONFIG_FILE_BYTES_MAX) throw notAConfig(path, `has more than ${CONFIG_FILE_BYTES_MAX} bytes`)
      return decode(bytes.subarray(0, byteLength), path)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw asIoError(error, path)
  }
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw notAConfig(path, 'is not UTF-8 text')
  }
}

function notAConfig(path: string, reason: string): FreshetError {
  return new FreshetError('CONFIG_INVALID', `${path} ${reason}`, { path })
}

/** Where the name is a symbolic link, what it points to is replaced, and the link stays. */
async function replace(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE })
    const target = await realpath(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return path
      throw error
    })
    await writeDurably(target, Buffer.from(text))
  } catch (error) {
    throw asIoError(error, path)
  }
}
