/**
 * The stanzas of an index file, a window of it at a time: for whoever needs each of them once, and not the file.
 *
 * Memory that the process has not touched before is what reading a large file costs: 50 MB of it took 0.2 s to read into a buffer
 * of its own, 0.01 s through one small window. Owns the open file while it is read; trusts nothing but that it is cut as it was.
 */
import { open } from 'node:fs/promises'
import { splitStanzas } from '../schemas/stanza.ts'
import type { StanzaList } from '../schemas/stanza-table.ts'
import { asIoError } from './durable.ts'

/** Thousands of stanzas at a time, and small enough to stay in a processor's cache while they are compared. */
const WINDOW_BYTES = 1024 * 1024

/**
 * Cut as `splitStanzas` cuts the whole file. A list is good until the next one is asked for: its bytes are used again.
 * @param windowBytes grows where a stanza is larger.
 * @throws FreshetError IO_ERROR, INDEX_TOO_LARGE.
 */
export async function* readStanzas(filePath: string, windowBytes = WINDOW_BYTES): AsyncGenerator<StanzaList> {
  const file = await open(filePath, 'r').catch((error: unknown) => Promise.reject(asIoError(error, filePath)))
  try {
    let window = Buffer.allocUnsafeSlow(windowBytes)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(window, length, window.length - length, null)
      length += bytesRead
      const offsets = splitStanzas(window.subarray(0, length))
      if (bytesRead === 0) {
        if (offsets.length > 1) yield { bytes: window, offsets }
        return
      }
      // The last one may go on in the next window.
      const whole = offsets.subarray(0, -1)
      const rest = whole.at(-1) ?? 0
      if (rest > 0) yield { bytes: window, offsets: whole }
      else if (length === window.length) window = Buffer.concat([window, Buffer.allocUnsafeSlow(length)])
      length = window.copy(window, 0, rest, length)
    }
  } catch (error) {
    throw asIoError(error, filePath)
  } finally {
    await file.close()
  }
}
