/** Plain HTTP: everybody gets everything from the origin, with curl, six connections each as browsers do. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { has } from '../bench.ts'
import type { Crowd, Engine } from './engine.ts'
import type { FileSet } from './files.ts'
import type { Network } from './network.ts'
import { NodeProcess } from './node-process.ts'
import { ProcessCrowd } from './process-crowd.ts'

const SERVER = join(import.meta.dirname, 'serve-folder.ts')
const PORT = 8080
const CONNECTIONS = 6
/** Stays until it is killed, so that it can be asked what it and its child have used. */
const RECEIVE = `read go; curl -sfZ --parallel-max ${CONNECTIONS} -K "$0" && echo done; read end`

export const http: Engine = {
  missing: () => (has('curl') ? null : 'curl is not installed'),
  repeatsMax: 1, // as many times the bound as there are receivers
  prepare: (files) => Promise.resolve({ enter: (network, folder) => new HttpCrowd(files, network, folder) }),
}

class HttpCrowd extends ProcessCrowd implements Crowd {
  readonly #files: FileSet

  constructor(files: FileSet, network: Network, folder: string) {
    super(network, folder)
    this.#files = files
  }

  async startOrigin(): Promise<void> {
    const command = [process.execPath, '--import', 'tsx', SERVER, this.#files.directory, String(PORT)]
    await this.add(0, new NodeProcess(this.place(0), command)).lines.next()
  }

  async startReceiver(node: number): Promise<void> {
    const directory = join(this.folder, `node-${node}`)
    await mkdir(directory)
    const list = join(directory, 'list')
    const lines = this.#files.files.map(
      ({ name }) => `url = "http://${this.network.address(0)}:${PORT}/${name}"\noutput = "${join(directory, name)}"\n`,
    )
    await writeFile(list, lines.join(''))
    this.add(node, new NodeProcess(this.place(node), ['sh', '-c', RECEIVE, list]))
  }

  begin(node: number): void {
    this.process(node).write('go')
  }

  async done(node: number): Promise<void> {
    await this.process(node).lines.next((line) => line === 'done', this.waitMsMax)
  }
}
