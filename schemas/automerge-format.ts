/**
 * Numbers of Automerge's binary format that changes of a metadata document use.
 *
 * Source: automerge.org/automerge-binary-format-spec, version 3.5.0.
 */

export const MAGIC = Buffer.from('856f4a83', 'hex')
/** The first bytes of the change's hash. */
export const CHECKSUM_BYTES = 4
/** A change that is not compressed. */
export const CHANGE_CHUNK = 1
/** Actions of an operation. */
export const SET = 1
export const DELETE = 3
/** Low bits of a value's description: UTF-8; its length is above. */
export const TEXT_VALUE = 6

/** Columns of operations on the root map. Any other (lists, marks, packed columns) makes the change one that is not ours. */
export const COLUMN = { key: 0x15, insert: 0x34, action: 0x42, valueMeta: 0x56, value: 0x57, overCount: 0x70 } as const
/** Of the values that operations take the place of. */
export const OVER = { actor: 0x71, counter: 0x73 } as const
