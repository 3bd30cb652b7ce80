/** Waits for a state of a running actor. */
import type { Actor, AnyStateMachine, SnapshotFrom } from 'xstate'

/** @throws what `over` makes when the actor ends or is stopped first. */
export async function untilState<Machine extends AnyStateMachine>(
  actor: Actor<Machine>,
  holds: (snapshot: SnapshotFrom<Machine>) => boolean,
  over: () => Error,
): Promise<void> {
  if (holds(actor.getSnapshot())) return
  await new Promise<void>((resolve, reject) => {
    const subscription = actor.subscribe({
      next(snapshot) {
        if (!holds(snapshot)) return
        subscription.unsubscribe()
        resolve()
      },
      error: reject,
      complete: () => reject(over()),
    })
  })
}
