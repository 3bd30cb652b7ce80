/** What people read of an error code. */
export interface ErrorEntry {
  readonly means: string
  readonly remedy: string
}
