/** Starts a machine where its facts left it: fold the journal, then resume, so that a crash costs nothing but the fold. */
import { createActor, initialTransition, transition } from 'xstate'
import type { Actor, AnyMachineSnapshot, AnyStateMachine, EventFromLogic, InputFrom, SnapshotFrom } from 'xstate'

/** The state before any fact. */
export function initialState<Machine extends AnyStateMachine>(
  machine: Machine,
  input: InputFrom<Machine>,
): SnapshotFrom<Machine> {
  return initialTransition(machine as AnyStateMachine, input as never)[0] as SnapshotFrom<Machine>
}

/** The state after one more fact. Facts after a final state are dropped, as a live actor would. Pure. */
export function applyFact<Machine extends AnyStateMachine>(
  machine: Machine,
  state: SnapshotFrom<Machine>,
  fact: EventFromLogic<Machine>,
): SnapshotFrom<Machine> {
  if ((state as AnyMachineSnapshot).status !== 'active') return state
  return transition(machine as AnyStateMachine, state as AnyMachineSnapshot, fact)[0] as SnapshotFrom<Machine>
}

/**
 * `machine` must have its live ports. Going through the persisted form is what gives restarted ports an input again: that of
 * when their state was entered, not of now.
 */
export function resume<Machine extends AnyStateMachine>(
  machine: Machine,
  input: InputFrom<Machine>,
  state: SnapshotFrom<Machine>,
): Actor<Machine> {
  const snapshot = machine.getPersistedSnapshot(state as never)
  return createActor(machine, { input, snapshot })
}
