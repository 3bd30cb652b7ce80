import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test from 'brittle'
import type { PartialArtifact } from '../../store/partial-artifact.ts'
import { Pool } from '../../store/pool.ts'
import { collect, temporaryFolder, withoutRoot, type Fixture } from '../helpers/pool-fixtures.ts'
import { large, small } from './pool-writer-artifacts.ts'

const WRITER = fileURLToPath(new URL('./pool-writer.ts', import.meta.url))
const KILLS = 10

/** @returns the seeds of the small artifacts that were complete when the writer was killed after `lines` lines. */
async function runAndKill(directory: string, seed: number, lines: number): Promise<number[]> {
  const writer = spawn(process.execPath, ['--import', 'tsx', WRITER, directory, `${seed}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(writer, 'exit')
  const whole: number[] = []
  let seen = 0
  for await (const line of createInterface({ input: writer.stdout })) {
    if (line.startsWith('whole ')) whole.push(Number(line.slice(6)))
    seen += 1
    if (seen === lines) writer.kill('SIGKILL')
  }
  const [, signal] = await exited
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself after ${seen} lines`)
  return whole
}

/** Pieces that count as held and are not what they should be. */
async function wrongPieces(partial: PartialArtifact, expected: Fixture): Promise<number[]> {
  const wrong: number[] = []
  for (let index = 0; index < partial.pieces; index += 1) {
    if (!partial.readable(index)) continue
    const piece = expected.piece(index)
    const read = await partial.read(expected.bytes.indexOf(piece), piece.byteLength)
    if (!read.equals(piece)) wrong.push(index)
  }
  return wrong
}

test(
  `pool: ${KILLS} times kill -9 of a writer → nothing counts as held that does not verify`,
  { timeout: 180_000 },
  async (t) => {
    const directory = await temporaryFolder(t)
    const whole = new Set<number>()
    let heldBefore = 0
    for (let kill = 0; kill < KILLS; kill += 1) {
      const [seed, lines] = [randomInt(1_000_000), randomInt(1, 60)]
      t.comment(`seed ${seed}, killed after ${lines} lines`)
      for (const one of await runAndKill(directory, seed, lines)) whole.add(one)
      const pool = await Pool.open(directory)
      for (const one of whole) {
        const { artifact, bytes } = small(one)
        if (!(await collect(pool.stream(artifact.digest, 0, artifact.byteLength))).equals(bytes))
          t.fail(`artifact ${one}`)
      }
      const layered = await pool.begin(large('layered').artifact)
      t.alike(await wrongPieces(layered, large('layered')), [])
      t.ok(layered.heldPieces >= heldBefore, `${layered.heldPieces} pieces are held, ${heldBefore} before`)
      heldBefore = layered.heldPieces
      await pool.close()
    }
    t.ok(whole.size > 0 && heldBefore > 0, 'the writer came far enough to test anything')

    const pool = await Pool.open(directory)
    t.ok(pool.status().partial <= 2 + KILLS, 'a kill leaves no more partial files than artifacts under way')
    for (const [artifact, expected] of [
      [large('layered').artifact, large('layered')],
      [withoutRoot(large('bare')), large('bare')],
    ] as const) {
      const partial = await pool.begin(artifact)
      for (let index = 0; index < partial.pieces; index += 1) await partial.write(index, expected.piece(index))
      t.ok(await partial.complete(), 'the rest arrives and the whole is right')
      await partial.close()
    }
    await pool.close()
  },
)
