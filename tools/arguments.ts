/** Checks of what comes over the control socket or from the command line. Each throws FreshetError USAGE naming the argument. */
import { FreshetError } from '../schemas/errors.ts'

export type Arguments = Readonly<Record<string, unknown>>

export function argumentsOf(value: unknown): Arguments {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Arguments
  throw new FreshetError('USAGE', 'arguments must be an object')
}

export function textOf(args: Arguments, name: string): string {
  const value = args[name]
  if (typeof value === 'string' && value !== '') return value
  throw new FreshetError('USAGE', `${name} must be a text`, { argument: name })
}

export function optionalTextOf(args: Arguments, name: string): string | null {
  return args[name] === undefined || args[name] === null ? null : textOf(args, name)
}

export function textsOf(args: Arguments, name: string): string[] {
  const value = args[name] ?? []
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new FreshetError('USAGE', `${name} must be a list of texts`, { argument: name })
}

export function listOf(args: Arguments, name: string): readonly unknown[] {
  const value = args[name] ?? []
  if (Array.isArray(value)) return value
  throw new FreshetError('USAGE', `${name} must be a list`, { argument: name })
}

export function flagOf(args: Arguments, name: string): boolean {
  const value = args[name] ?? false
  if (typeof value === 'boolean') return value
  throw new FreshetError('USAGE', `${name} must be true or false`, { argument: name })
}

export function countOf(args: Arguments, name: string): number | null {
  const value = args[name] ?? null
  if (value === null || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)) return value
  throw new FreshetError('USAGE', `${name} must be a whole number`, { argument: name })
}

/** A whole number on the command line. */
export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is not a whole number`)
}

const PORT_MAX = 65_535

/** HOST:PORT, or [IPv6]:PORT. */
export function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host !== undefined && port <= PORT_MAX) return { host, port }
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is not HOST:PORT`)
}

/** A package as people name it; null: any. */
export interface PackageName {
  readonly name: string
  readonly version: string | null
  readonly architecture: string | null
}

/** As people write it. */
export function packageText({ name, version, architecture }: PackageName): string {
  return `${name}${architecture === null ? '' : `:${architecture}`}${version === null ? '' : `=${version}`}`
}

/** NAME[=VERSION][:ARCHITECTURE], as apt writes it: the architecture comes before the version too (`bash:amd64=5.2-1`). */
export function parsePackage(text: string): PackageName {
  const match = /^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?(?:=([^\s=]+))?$/.exec(text)
  const name = match?.[1]
  if (name === undefined) throw new FreshetError('USAGE', `${JSON.stringify(text)} is not NAME[:ARCH][=VERSION]`)
  return { name, architecture: match?.[2] ?? null, version: match?.[3] ?? null }
}
