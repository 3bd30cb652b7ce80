/** An ext4 file system in a file, for tests of power cuts. Needs root and loop devices. */
import { execFile } from 'node:child_process'
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Assert } from 'brittle'
import { mount, unmount } from './mount.ts'

const run = promisify(execFile)

export class LoopDisk {
  readonly image: string
  readonly mountPoint: string

  private constructor(image: string, mountPoint: string) {
    this.image = image
    this.mountPoint = mountPoint
  }

  /** A new, empty one, mounted below `directory`. */
  static async make(t: Assert, directory: string, name: string, byteLength: number): Promise<LoopDisk> {
    const image = join(directory, `${name}.ext4`)
    await writeFile(image, '')
    await truncate(image, byteLength)
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image])
    return LoopDisk.#mount(t, image, join(directory, name))
  }

  /**
   * What is in the file at this moment, as another disk: only what the file system has written out. Whoever writes to this
   * disk must have been stopped, because a copy takes longer than a power cut.
   */
  async copy(t: Assert, directory: string, name: string): Promise<LoopDisk> {
    const image = join(directory, `${name}.ext4`)
    await run('cp', ['--reflink=never', '--sparse=always', this.image, image])
    return LoopDisk.#mount(t, image, join(directory, name))
  }

  static async #mount(t: Assert, image: string, mountPoint: string): Promise<LoopDisk> {
    await mkdir(mountPoint)
    mount(t, ['-o', 'loop', image], mountPoint)
    return new LoopDisk(image, mountPoint)
  }

  unmount(): void {
    unmount(this.mountPoint)
  }
}
