/** What every note between releases says besides its own (schemas/events.ts). */
import { timeMs, uint } from './codec.ts'

/** Where the newest release and the note before it stand; 0: there is none. */
export const note = { atMs: timeMs, releaseBlock: uint, noteBlock: uint }
