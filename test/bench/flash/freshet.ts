/**
 * Freshet: the compiled product. Every receiver follows the channel and has its release before the crowd begins.
 *
 * The signal goes to each daemon through its control socket, which is what `freshet fetch` does: the start of as many
 * command processes on one machine would be measured with it otherwise.
 *
 * A daemon runs for weeks, and a crowd is not its first. So by default all have fetched the release before from each other,
 * and the engine of JavaScript has compiled what they use; `freshet-started` has daemons that have done nothing yet.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { link, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connectControl, type ControlClient } from '../../../protocols/control-client.ts'
import { controlPath } from '../../../protocols/control-path.ts'
import { FreshetError } from '../../../schemas/errors.ts'
import type { OperationName } from '../../../tools/operations.ts'
import type { Crowd, Engine } from './engine.ts'
import { buildFiles, type FileSet } from './files.ts'
import type { Network } from './network.ts'
import { NodeProcess } from './node-process.ts'
import { ProcessCrowd } from './process-crowd.ts'

const CLI = join(import.meta.dirname, '../../../dist/tools/cli.js')
const CHANNEL = 'crowd'
/** HyperDHT asks four others how they see it before it knows that it can be reached. */
const DHT_PORTS = [7077, 7078, 7079, 7080]
const run = promisify(execFile)

/** Of the release before, whatever the row is: what every part of the way of a block has been run by some hundred times. */
const EARLIER_BYTES = 32 * 2 ** 20

interface Published {
  readonly id: string
  readonly home: string
  readonly release: number
  readonly packageNames: readonly string[]
  /** Of the release before; none: this is the first. */
  readonly earlier: readonly string[]
}

export const freshetRunning = engineOf(true)
export const freshetJustStarted = engineOf(false)

function engineOf(isRunning: boolean): Engine {
  return {
    missing: () => (existsSync(CLI) ? null : 'dist/ is not there: npm run build'),
    prepare: async (files, folder) => {
      const published = await publish(files, folder, isRunning)
      return { enter: (network, folder) => new FreshetCrowd(published, network, folder) }
    },
  }
}

async function publish({ directory, files }: FileSet, folder: string, isRunning: boolean): Promise<Published> {
  const home = join(folder, 'origin')
  const command = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [CLI, ...args, '--home', home, '--json'])).stdout
  const { id } = JSON.parse(await command('channel', 'create', CHANNEL)) as { id: string }
  const debs = join(folder, 'debs')
  await mkdir(debs)
  const earlier: string[] = []
  if (isRunning) {
    const kind = files.length > 1 ? 'small' : 'one'
    const built = await buildFiles(debs, { kind, byteLength: EARLIER_BYTES }, 'earlier')
    earlier.push(...namesOf(built.files))
    await command('import', CHANNEL, '--deb-dir', debs)
  }
  for (const { name } of files) await link(join(directory, name), join(debs, name))
  await command('import', CHANNEL, '--deb-dir', debs)
  return { id, home, release: isRunning ? 2 : 1, packageNames: namesOf(files), earlier }
}

function namesOf(files: FileSet['files']): string[] {
  return files.map(({ packageName }) => packageName)
}

class FreshetCrowd extends ProcessCrowd implements Crowd {
  readonly #published: Published
  readonly #dht: NodeProcess[] = []
  readonly #clients = new Map<number, ControlClient>()
  readonly #fetches = new Map<number, Promise<unknown>>()

  constructor(published: Published, network: Network, folder: string) {
    super(network, folder)
    this.#published = published
  }

  async startOrigin(): Promise<void> {
    const spare = this.network.size - 1
    for (const port of DHT_PORTS) {
      const dht = ['dht', '--host', this.network.address(spare), '--port', String(port), '--json']
      const node = new NodeProcess(this.place(spare), [process.execPath, CLI, ...dht])
      this.#dht.push(node)
      await node.lines.next()
    }
    await this.#startDaemon(0, this.#published.home)
  }

  async startReceiver(node: number): Promise<void> {
    const home = join(this.folder, `home-${node}`)
    await mkdir(home)
    await this.#startDaemon(node, home)
    await this.#call(node, 'follow', { id: this.#published.id, name: CHANNEL })
    await this.process(node).lines.next(
      (line) => (JSON.parse(line) as { release?: number }).release === this.#published.release,
    )
  }

  async practise(nodes: readonly number[]): Promise<void> {
    const { earlier } = this.#published
    if (earlier.length > 0) await Promise.all(nodes.map((node) => this.#fetch(node, earlier)))
  }

  begin(node: number): void {
    const fetched = this.#fetch(node, this.#published.packageNames)
    fetched.catch(() => undefined) // done() tells
    this.#fetches.set(node, fetched)
  }

  async done(node: number): Promise<void> {
    await this.#fetches.get(node)
  }

  override async kill(node: number): Promise<void> {
    await super.kill(node)
    this.#clients.delete(node)
  }

  override async stop(): Promise<void> {
    await Promise.all(this.#dht.map((node) => node.kill()))
    await super.stop()
    await Promise.all([...this.#clients.values()].map((client) => client.close()))
  }

  /** A fetch that gives up is asked for again, as a person would. */
  async #fetch(node: number, packages: readonly string[]): Promise<void> {
    for (;;) {
      try {
        await this.#call(node, 'fetch', { channel: CHANNEL, packages })
        return
      } catch (error) {
        if (!(error instanceof FreshetError) || error.code !== 'ARTIFACT_UNAVAILABLE') throw error
      }
    }
  }

  async #startDaemon(node: number, home: string): Promise<void> {
    const spare = this.network.address(this.network.size - 1)
    const bootstrap = DHT_PORTS.flatMap((port) => ['--bootstrap', `${spare}:${port}`])
    const args = ['start', '--home', home, '--gateway', '127.0.0.1:0', ...bootstrap, '--json']
    const daemon = this.add(node, new NodeProcess(this.place(node), [process.execPath, CLI, ...args]))
    await daemon.lines.next()
    const client = await connectControl(controlPath(home))
    if (client === null) throw new Error(`no daemon answers in ${home}`)
    this.#clients.set(node, client)
  }

  async #call(node: number, operation: OperationName, args: object): Promise<unknown> {
    const client = this.#clients.get(node)
    if (client === undefined) throw new Error(`no daemon on node ${node}`)
    return await client.call(operation, args)
  }
}
