/** What a gateway gives for a release, read like apt would; every body is compared with its SHA-256. */
import { type ServedDeb, debsIn, sha256 } from './growing-repository.ts'

export interface ReleaseView {
  readonly indexSha256: string
  readonly debs: readonly ServedDeb[]
}

const SUITE = 'demo'

/** @throws unless the index comes. */
export async function viewRelease(gateway: string, channel: string, number: number): Promise<ReleaseView> {
  const bytes = await bodyOf(`${gateway}/${channel}@${number}/dists/${SUITE}/main/binary-amd64/Packages`)
  return { indexSha256: sha256(bytes), debs: debsIn(bytes.toString()) }
}

/** @returns the names of the files that are not what the index says. */
export async function brokenFiles(
  gateway: string,
  channel: string,
  number: number,
  debs: readonly ServedDeb[],
): Promise<string[]> {
  const broken: string[] = []
  for (const { filename, sha256: expected } of debs) {
    const bytes = await bodyOf(`${gateway}/${channel}@${number}/${filename}`)
    if (sha256(bytes) !== expected) broken.push(filename)
  }
  return broken
}

export async function bodyOf(url: string): Promise<Buffer> {
  const response = await fetch(url)
  const body = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}: ${body.toString().slice(0, 300)}`)
  return body
}
