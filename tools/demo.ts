/**
 * `npm run demo`: a publisher and three followers on a private network inside this process; ends by itself with a summary.
 *
 * Exits with 0 only when every step really happened. What happens: demo/story.ts; how it is cleared away: demo/stage.ts.
 */
import { formatSeconds, Narrator } from './demo/narrator.ts'
import { Stage } from './demo/stage.ts'
import { tellStory } from './demo/story.ts'

/** By then all sockets are closed; what keeps the process alive longer is a leak, and the demo has failed. */
const END_MS_MAX = 5000

const narrator = new Narrator()
const stage = new Stage()
narrator.title('Freshet: a publisher, three followers, two releases, and apt')
try {
  const rows = await stage.play(() => tellStory(stage, narrator))
  if (!stage.cleared) throw new Error(`not everything could be cleared away: see ${stage.folder}`)
  narrator.summary(`All of it happened, and was checked, in ${formatSeconds(narrator.elapsedMs)}`, [
    ...rows,
    ['left', 'nothing: nodes closed, temporary folder removed'],
  ])
} catch (error) {
  process.stderr.write(`\nThe demo did not succeed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
setTimeout(() => {
  process.stderr.write(`Something is still open: ${process.getActiveResourcesInfo().join(', ')}\n`)
  process.exit(1)
}, END_MS_MAX).unref()
