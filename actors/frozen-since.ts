/** Whether the view of a channel is frozen: the one place that compares Valid-Until with a clock. */

/** @returns the Valid-Until that has passed, in Unix milliseconds; null while the release is good, or does not say until when. */
export function frozenSince(release: { readonly validUntilMs: number | null } | null, nowMs: number): number | null {
  const validUntilMs = release?.validUntilMs ?? null
  return validUntilMs !== null && validUntilMs < nowMs ? validUntilMs : null
}
