/** Waits no longer than a signal allows, for what cannot be called off. */

/** @returns null when `signal` fires first: Hypercore waits for ever for a proof that nobody gives. */
export async function within<T>(signal: AbortSignal, value: Promise<T>): Promise<T | null> {
  value.catch(() => {}) // reported below unless the time is up
  const late = new Promise<null>((resolve) => {
    if (signal.aborted) resolve(null)
    else signal.addEventListener('abort', () => resolve(null), { once: true })
  })
  return Promise.race([value, late])
}
