/**
 * Which piece roots a release states, of the files that this node has: of every file of several blocks whose stanza it brings.
 *
 * Of an older stanza a root is stated late, when the log has none, and only of a file of several pieces: late roots are repeated in
 * every chapter while the package lives, and a file of a single piece is checked by its SHA-256 all the same.
 * A block holds so many roots and no more. Where there are too many, the largest files have theirs.
 */
import { asFreshetError } from '../../schemas/errors.ts'
import { ARTIFACT_ROOTS_MAX, LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { ComposedRelease, ReleaseBefore } from '../../store/compose-release.ts'
import { eachOf } from '../../store/each-of.ts'
import type { History } from '../../store/history.ts'
import type { Pool, TakenIn } from '../../store/pool.ts'
import type { NewRoots } from '../../store/release-log.ts'

/** Files that are hashed, or whose layers are read, at once. */
const AT_ONCE = 16
const NEVER = new AbortController().signal

/** @param kept what was taken in for this release. @throws FreshetError NO_PEERS, IO_ERROR, INTERRUPTED. */
export async function newRoots(
  pool: Pool,
  history: History,
  before: ReleaseBefore | null,
  composed: ComposedRelease,
  kept: readonly TakenIn[],
): Promise<NewRoots> {
  const files = new Map([...heldAlready(pool, composed), ...kept].map((file) => [file.digest, file]))
  const large = [...files.values()].filter(({ byteLength }) => byteLength > LEAF_BYTES)
  const blocks = composed.blocksOf(new Set(large.map(({ digest }) => digest)))
  const blockOf = ({ digest }: TakenIn): number => blocks.get(digest) ?? -1
  const own: TakenIn[] = []
  const late: TakenIn[] = []
  // In the order of the log: neighbours were brought by the same release, whose roots are then read once.
  for (const file of large.toSorted((a, b) => blockOf(a) - blockOf(b))) {
    const block = blockOf(file)
    if (block >= composed.base) own.push(file)
    else if (block < 0 || before === null || file.byteLength <= PIECE_BYTES) continue
    else if ((await history.rootOf(before.plan, file.digest, block)) === null) late.push(file)
  }
  const chosen = withinBlock(own, late, before?.plan.lateRoots.size ?? 0, ARTIFACT_ROOTS_MAX)
  return { roots: await rootsOf(pool, chosen.own), lateRoots: await rootsOf(pool, chosen.late) }
}

/**
 * What fits: roots and late roots into the release, and all late ones into the next chapter.
 * @param lateBefore late roots of the release before.
 */
export function withinBlock<File extends { readonly byteLength: number }>(
  own: readonly File[],
  late: readonly File[],
  lateBefore: number,
  rootsMax: number,
): { own: readonly File[]; late: readonly File[] } {
  const stated = largest(own, rootsMax)
  return { own: stated, late: largest(late, rootsMax - Math.max(stated.length, lateBefore)) }
}

function largest<File extends { readonly byteLength: number }>(files: readonly File[], max: number): readonly File[] {
  if (files.length <= max) return files
  return files.toSorted((a, b) => b.byteLength - a.byteLength).slice(0, Math.max(0, max))
}

/** Files of new packages that another channel or an earlier fetch brought: nobody took them in, and they need a root too. */
function heldAlready(pool: Pool, { changes }: ComposedRelease): TakenIn[] {
  const added = new Set(changes.added.map(({ digest }) => digest))
  return [...added].flatMap((digest) => {
    const held = pool.held(digest)
    return held === null ? [] : [{ digest, byteLength: held.byteLength, hashed: null }]
  })
}

async function rootsOf(pool: Pool, files: readonly TakenIn[]): Promise<NewRoots['roots']> {
  const roots = new Map<DigestHex, Buffer>()
  await eachOf(files, AT_ONCE, NEVER, async ({ digest, hashed }) => {
    const piecesRoot = hashed === null ? await rootInPool(pool, digest) : hashed.piecesRoot
    if (piecesRoot !== null) roots.set(digest, piecesRoot)
  })
  return files.flatMap(({ digest }) => {
    const piecesRoot = roots.get(digest)
    return piecesRoot === undefined ? [] : [{ digest: Buffer.from(digest, 'hex'), piecesRoot }]
  })
}

/** @returns null where the file turns out to be damaged, or left: its bytes are not at hand then. */
async function rootInPool(pool: Pool, digest: DigestHex): Promise<Buffer | null> {
  try {
    return (await pool.hashed(digest)).piecesRoot
  } catch (error) {
    if (['POOL_CORRUPT', 'ARTIFACT_NOT_HELD'].includes(asFreshetError(error).code)) return null
    throw error
  }
}
