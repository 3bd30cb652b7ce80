/** A signer's own machine: a folder with a key, and what `freshet sign` does with the files that are brought there. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { id } from '../../store/identity.ts'
import { createSignerKey } from '../../store/signer-key.ts'
import { signFile, type Signed } from '../../tools/signing.ts'
import { scratchFolder } from './network.ts'

export class SigningMachine {
  readonly folder: string
  /** As the publisher of a channel gets to know this signer. */
  readonly signer: string

  private constructor(folder: string, signer: string) {
    this.folder = folder
    this.signer = signer
  }

  static async create(t: Assert, folder: string | null = null): Promise<SigningMachine> {
    const own = folder ?? (await scratchFolder(t))
    return new SigningMachine(own, id((await createSignerKey(join(own, 'signer.key'))).publicKey))
  }

  async check(request: string, replace = false): Promise<Signed> {
    return signFile({ request, key: join(this.folder, 'signer.key'), to: join(this.folder, 'out.sig'), replace })
  }

  /** @returns the file with the signature. */
  async sign(request: string): Promise<string> {
    return (await this.check(request)).path
  }
}
