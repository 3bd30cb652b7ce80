#!/usr/bin/env node
/** The `freshet` executable: one command line, parsed and run. Commands: tools/commands/. */
import { runCommandLine } from './commands/program.ts'

process.exitCode = await runCommandLine(process.argv)
