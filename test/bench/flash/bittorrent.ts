/** What all BitTorrent clients have in common here: a torrent, a tracker on the spare node, one process per node. */
import { link, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Crowd, Engine } from './engine.ts'
import type { FileSet } from './files.ts'
import type { Network } from './network.ts'
import { NodeProcess, type ProcessPlace } from './node-process.ts'
import { ProcessCrowd } from './process-crowd.ts'
import { torrentOf } from './torrent.ts'

const TRACKER = join(import.meta.dirname, 'tracker.ts')
const TRACKER_PORT = 6969

export interface BitTorrentClient {
  missing(): string | null
  pieceLength(byteLength: number): number
  /** Reads the torrent at `torrent` and has, or wants, the files below `directory`. A receiver says `done` when it has them. */
  start(place: ProcessPlace, torrent: string, directory: string, role: 'seed' | 'leech'): NodeProcess
  /** The receiver was started and waits for the line `go`; else it is only started when it shall begin. */
  readonly waits: boolean
}

export function bitTorrent(client: BitTorrentClient): Engine {
  return {
    missing: () => client.missing(),
    prepare: (files) =>
      Promise.resolve({ enter: (network, folder) => new BitTorrentCrowd(client, files, network, folder) }),
  }
}

class BitTorrentCrowd extends ProcessCrowd implements Crowd {
  readonly #client: BitTorrentClient
  readonly #files: FileSet
  readonly #torrent: string

  constructor(client: BitTorrentClient, files: FileSet, network: Network, folder: string) {
    super(network, folder)
    this.#client = client
    this.#files = files
    this.#torrent = join(folder, 'crowd.torrent')
  }

  async startOrigin(): Promise<void> {
    const spare = this.network.size - 1
    const announce = `http://${this.network.address(spare)}:${TRACKER_PORT}/announce`
    await writeFile(
      this.#torrent,
      await torrentOf(this.#files, announce, this.#client.pieceLength(this.#files.byteLength)),
    )
    const tracker = this.add(
      spare,
      new NodeProcess(this.place(spare), [process.execPath, '--import', 'tsx', TRACKER, String(TRACKER_PORT)]),
    )
    await tracker.lines.next((line) => line === 'listening')
    const directory = join(this.folder, 'origin')
    await this.#linkFiles(directory)
    this.add(0, this.#client.start(this.place(0), this.#torrent, directory, 'seed'))
    await tracker.lines.next((line) => line === `announced ${this.network.address(0)}`)
  }

  async startReceiver(node: number): Promise<void> {
    await mkdir(this.#directoryOf(node))
    if (this.#client.waits) await this.#start(node).lines.next((line) => line === 'ready')
  }

  begin(node: number): void {
    if (this.#client.waits) this.process(node).write('go')
    else this.#start(node)
  }

  async done(node: number): Promise<void> {
    await this.process(node).lines.next((line) => line === 'done', this.waitMsMax)
  }

  #start(node: number): NodeProcess {
    return this.add(node, this.#client.start(this.place(node), this.#torrent, this.#directoryOf(node), 'leech'))
  }

  #directoryOf(node: number): string {
    return join(this.folder, `node-${node}`)
  }

  async #linkFiles(directory: string): Promise<void> {
    const into = join(directory, basename(this.#files.directory))
    await mkdir(into, { recursive: true })
    for (const { name } of this.#files.files) await link(join(this.#files.directory, name), join(into, name))
  }
}
