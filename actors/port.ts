/**
 * A named effect of a machine. Machines declare ports; actors/ports supplies them through `.provide()`.
 *
 * A port does its work while the state that invokes it lasts and answers by recording facts, never by returning: so every
 * edge of a machine is in the journal. A port that nobody supplied fails loudly instead of looking like success.
 */
import { fromCallback } from 'xstate'
import type { EventObject } from 'xstate'

export function port<Input extends object>(name: string) {
  return fromCallback<EventObject, Input>(() => {
    throw new Error(`port ${name} was not provided`)
  })
}

/** A live port: `run` starts the work and ends it when `signal` aborts. What it throws is a defect and goes to `onDefect`. */
export function livePort<Input extends object>(
  run: (input: Input, signal: AbortSignal) => Promise<void>,
  onDefect: (error: unknown) => void,
) {
  return fromCallback<EventObject, Input>(({ input }) => {
    const abort = new AbortController()
    run(input, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) onDefect(error)
    })
    return () => abort.abort()
  })
}
