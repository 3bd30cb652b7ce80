/**
 * Home connections on one machine: a network namespace per node behind `delay-switch.c`, which is compiled when needed.
 *
 * Nothing here has a name in the system: namespaces and devices live as long as the switch and the processes inside,
 * and all of these die with this process, even when it is killed.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LineQueue } from './line-queue.ts'
import type { Link } from './rows.ts'

const SOURCE = join(import.meta.dirname, 'delay-switch.c')
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'
/** What a home router keeps waiting; never less than 32 KiB. */
const QUEUE_MS = 80

export interface LinkConditions {
  readonly links: readonly Link[]
  readonly delayMs: number
  /** Share of frames that are lost between two nodes, at random. */
  readonly loss: number
  readonly seed: number
}

/** Bytes of whole Ethernet frames. */
export interface Counters {
  readonly sent: number
  readonly droppedUp: number
  readonly lost: number
  readonly received: number
  readonly droppedDown: number
}

export class Network {
  readonly size: number
  readonly #switch: ChildProcess
  readonly #lines: LineQueue
  #namespaces: readonly string[] = []

  private constructor(child: ChildProcess, size: number) {
    this.#switch = child
    this.size = size
    this.#lines = new LineQueue('the switch')
    if (child.stdout === null) throw new Error('the switch has no output')
    createInterface({ input: child.stdout }).on('line', (line) => this.#lines.push(line))
    child.once('close', () => this.#lines.end())
  }

  /** @throws when the switch or a namespace cannot be made. */
  static async start(binary: string, { links, delayMs, loss, seed }: LinkConditions): Promise<Network> {
    const rates = links.map(({ up, down }) => `${up * 1000}:${down * 1000}`)
    const numbers = [delayMs * 1000, Math.round(loss * 1e6), seed, QUEUE_MS].map(String)
    const child = spawn(binary, [...numbers, ...rates], { stdio: ['pipe', 'pipe', 'inherit'] })
    const network = new Network(child, links.length)
    const descriptors = (await network.#lines.next()).split(' ')
    network.#namespaces = descriptors.map((descriptor) => `/proc/${child.pid}/fd/${descriptor}`)
    for (let node = 0; node < links.length; node++) network.#configure(node)
    return network
  }

  /** Looks like a public one: several libraries treat private addresses as a LAN, where other rules hold. */
  address(node: number): string {
    return `20.66.0.${node + 1}`
  }

  /** The beginning of a command line that runs in the namespace of a node, and is killed when this process ends. */
  enter(node: number): string[] {
    return ['setpriv', '--pdeathsig', 'KILL', 'nsenter', `--net=${this.#namespaces[node]}`, '--']
  }

  async counters(): Promise<Counters[]> {
    this.#switch.stdin?.write('\n')
    const counters: Counters[] = []
    for (let line = await this.#lines.next(); line !== ''; line = await this.#lines.next()) {
      const [sent = 0, droppedUp = 0, lost = 0, received = 0, droppedDown = 0] = line.split(' ').map(Number)
      counters.push({ sent, droppedUp, lost, received, droppedDown })
    }
    return counters
  }

  get switchPid(): number {
    return this.#switch.pid ?? 0
  }

  async close(): Promise<void> {
    this.#switch.stdin?.end()
    await this.#lines.ended
  }

  /** TCP as Debian has it by default, whatever this machine uses; nothing remembered from one run to the next. */
  #configure(node: number): void {
    const mac = `02:00:00:00:00:${node.toString(16).padStart(2, '0')}`
    const script = [
      'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.tcp_congestion_control=cubic net.ipv4.tcp_no_metrics_save=1',
      'ip link set lo up',
      `ip link set eth0 address ${mac} txqueuelen 2000`,
      `ip addr add ${this.address(node)}/24 dev eth0`,
      'ip link set eth0 up',
      'ip route add default dev eth0', // for libraries that look for the way out to learn their own address
    ].join(' && ')
    const [command = '', ...more] = this.enter(node)
    execFileSync(command, [...more, 'sh', '-c', script])
  }
}

/** Namespaces may only choose what the machine allows to everybody. @returns how to take that back. */
export function allowCubic(): () => void {
  const before = readFileSync(ALLOWED, 'latin1').trim()
  if (before.split(' ').includes('cubic')) return () => {}
  writeFileSync(ALLOWED, `${before} cubic`)
  return () => writeFileSync(ALLOWED, before)
}

/** @returns the path of the compiled switch. */
export function compileSwitch(folder: string): string {
  const binary = join(folder, 'delay-switch')
  execFileSync('gcc', ['-O2', '-Wall', '-o', binary, SOURCE], { stdio: 'inherit' })
  return binary
}
