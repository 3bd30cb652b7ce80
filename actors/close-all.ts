/** Closes every part, whatever the others do: a store that stays open keeps its lock, and nothing could follow it. */
export async function closeAll(parts: readonly ({ close(): Promise<void> } | null)[]): Promise<void> {
  const errors: unknown[] = []
  for (const part of parts) await part?.close().catch((error: unknown) => errors.push(error))
  if (errors.length > 0) throw errors[0]
}
