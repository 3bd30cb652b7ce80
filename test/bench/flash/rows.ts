/** The flash crowds that are measured, and which of them a command line chooses. */

/** Mbit/s as seen from the node; 0: unlimited. */
export interface Link {
  readonly up: number
  readonly down: number
}

export interface Row {
  readonly name: string
  readonly origin: Link
  /** One per node of the crowd. */
  readonly receivers: readonly Link[]
  /** Bytes of content: one file, or as many small ones as fit. */
  readonly content: { readonly kind: 'one' | 'small'; readonly byteLength: number }
  /** One way, between any two nodes. */
  readonly delayMs: number
  readonly loss: number
  /** This many of the receivers, the last ones, are killed when they have received half. */
  readonly killed: number
  /** This many more nodes, with the link of the first receiver, begin when the crowd is done and the origin gone. */
  readonly late: number
}

const MIB = 2 ** 20
const DELAY_MS = 10

interface RowDescription extends Partial<Omit<Row, 'receivers' | 'name' | 'content'>> {
  readonly crowd: number
  readonly link: Link
  readonly mib: number
  readonly small?: boolean
  /** Every second receiver has this one. */
  readonly otherLink?: Link
}

const DESCRIPTIONS: Readonly<Record<string, RowDescription>> = {
  '8': { crowd: 8, link: { up: 16, down: 32 }, mib: 16 },
  '16': { crowd: 16, link: { up: 8, down: 16 }, mib: 16 },
  '24': { crowd: 24, link: { up: 6, down: 12 }, mib: 12 },
  'slow-origin': { crowd: 16, link: { up: 32, down: 32 }, origin: { up: 8, down: 32 }, mib: 8 },
  asymmetric: { crowd: 16, link: { up: 4, down: 32 }, origin: { up: 16, down: 32 }, mib: 8 },
  'half-slow': { crowd: 12, link: { up: 16, down: 32 }, otherLink: { up: 4, down: 32 }, mib: 12 },
  loss: { crowd: 8, link: { up: 16, down: 32 }, mib: 16, loss: 0.01 },
  delay: { crowd: 8, link: { up: 16, down: 32 }, mib: 16, delayMs: 50 },
  killed: { crowd: 12, link: { up: 16, down: 32 }, mib: 16, killed: 4 },
  'small-1': { crowd: 16, link: { up: 8, down: 16 }, mib: 1, small: true },
  'small-16': { crowd: 16, link: { up: 8, down: 16 }, mib: 16, small: true },
  late: { crowd: 8, link: { up: 16, down: 32 }, mib: 16, late: 2 },
}

export const ROWS: readonly Row[] = Object.entries(DESCRIPTIONS).map(([name, description]) => {
  const { crowd, link, otherLink = link, mib, small = false, ...rest } = description
  const receivers = Array.from({ length: crowd }, (_, i) => (i % 2 === 0 ? link : otherLink))
  const content = { kind: small ? 'small' : 'one', byteLength: mib * MIB } as const
  return { name, origin: link, receivers, content, delayMs: DELAY_MS, loss: 0, killed: 0, late: 0, ...rest }
})

export const ENGINE_NAMES = ['freshet', 'freshet-started', 'aria2', 'libtorrent', 'libtorrent-tuned', 'http'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

export interface Choice {
  readonly rows: readonly Row[]
  readonly engines: readonly EngineName[]
  readonly repeats: number
  readonly json: boolean
}

const REPEATS = 3
const REPEATS_MAX = 100

/** @throws Error with a sentence about the first argument that is not understood. */
export function parseChoice(args: readonly string[]): Choice {
  const rows: Row[] = []
  const engines: EngineName[] = []
  let [repeats, json] = [REPEATS, false]
  const rest = [...args]
  for (let option = rest.shift(); option !== undefined; option = rest.shift()) {
    if (option === '--json') json = true
    else if (option === '--row') rows.push(oneOf(ROWS, ({ name }) => name, rest.shift(), 'row'))
    else if (option === '--engine') engines.push(oneOf(ENGINE_NAMES, (name) => name, rest.shift(), 'engine'))
    else if (option === '--repeats') repeats = count(rest.shift())
    else throw new Error(`${option}: no such option (--row NAME, --engine NAME, --repeats N, --json)`)
  }
  return {
    rows: rows.length === 0 ? ROWS : rows,
    engines: engines.length === 0 ? ENGINE_NAMES : engines,
    repeats,
    json,
  }
}

function oneOf<T>(all: readonly T[], nameOf: (item: T) => string, wanted: string | undefined, kind: string): T {
  const found = all.find((item) => nameOf(item) === wanted)
  if (found === undefined) throw new Error(`${wanted ?? 'nothing'}: no such ${kind} (${all.map(nameOf).join(', ')})`)
  return found
}

function count(text = ''): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > REPEATS_MAX) {
    throw new Error(`--repeats takes a number from 1 to ${REPEATS_MAX}`)
  }
  return number
}

/** Who is who on the network: node 0 is the origin, then come the receivers, then the late-comers. */
export function nodesOf(row: Row): { all: Link[]; crowd: number[]; late: number[]; killed: number[] } {
  const [first = row.origin] = row.receivers
  const numbers = (from: number, length: number): number[] => Array.from({ length }, (_, i) => from + i)
  const crowd = numbers(1, row.receivers.length)
  return {
    all: [row.origin, ...row.receivers, ...Array<Link>(row.late).fill(first)],
    crowd,
    late: numbers(crowd.length + 1, row.late),
    killed: crowd.slice(crowd.length - row.killed),
  }
}
