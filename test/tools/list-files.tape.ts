import test from 'tape'
import { purposeOf } from '../../tools/list-files.ts'

test('purpose: a header comment → its first sentence, on one line', (t) => {
  t.equal(purposeOf('/** One line. And more. */\nimport x'), 'One line')
  t.equal(purposeOf('/**\n * Two\n * lines. More.\n *\n * Other.\n */\n'), 'Two lines')
  t.equal(purposeOf('#!/usr/bin/env node\n/** A command: `a | b`. */'), 'A command: `a \\| b`')
  t.equal(
    purposeOf('/** Names like e.g. limits.ts stay whole\n * Without an end\n */'),
    'Names like e.g. limits.ts stay whole Without an end',
  )
  t.end()
})

test('purpose: no comment at the top → empty', (t) => {
  t.equal(purposeOf("import x from 'x'\n/** Later. */"), '')
  t.end()
})
