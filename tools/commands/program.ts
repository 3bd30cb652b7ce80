/** The command line of DESIGN: one executable, every command with --home, --json and --help. Parsing and exit codes only. */
import { Command, CommanderError } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { reportError } from '../output.ts'
import { addAdvisoriesCommand } from './advisories.ts'
import { addAuditCommand } from './audit.ts'
import { addBisectCommand } from './bisect.ts'
import { addCheckCommand } from './check.ts'
import { addChannelCommands } from './channel.ts'
import { addConfigCommands } from './config.ts'
import { addFetchCommand } from './fetch.ts'
import { addFollowCommand } from './follow.ts'
import { addForkCommands } from './fork.ts'
import { addHistoryCommands } from './history.ts'
import { addImportCommand } from './import.ts'
import { addMaintainerCommands } from './maintainer.ts'
import { addMetaCommands } from './meta.ts'
import { addMirrorCommands } from './mirror.ts'
import { addNotificationCommands } from './notifications.ts'
import { addPlanCommand } from './plan.ts'
import { addQueryCommands } from './query.ts'
import { addRolloutCommands } from './rollout.ts'
import { addSnapshotCommand } from './snapshot.ts'
import { addSignerCommands } from './signer.ts'
import { addSigningCommands } from './sign.ts'
import { addStartCommands } from './start.ts'
import { addSubscriptionCommands } from './subscription.ts'
import { addTagCommand } from './tag.ts'
import { addWithdrawCommand } from './withdraw.ts'
import { addWhyCommand } from './why.ts'

/** Every command, as `--help` shows it. */
export function createProgram(): Command {
  const program = new Command('freshet')
  program
    .description("Distributes a distribution's releases over its own users' machines; apt is the front door.")
    .version('0.1.0')
    .showHelpAfterError(false)
  addChannelCommands(program)
  addImportCommand(program)
  addSignerCommands(program)
  addSigningCommands(program)
  addFollowCommand(program)
  addSubscriptionCommands(program)
  addNotificationCommands(program)
  addStartCommands(program)
  addQueryCommands(program)
  addSnapshotCommand(program)
  addHistoryCommands(program)
  addBisectCommand(program)
  addCheckCommand(program)
  addPlanCommand(program)
  addFetchCommand(program)
  addWhyCommand(program)
  addAuditCommand(program)
  addTagCommand(program)
  addRolloutCommands(program)
  addForkCommands(program)
  addConfigCommands(program)
  addMirrorCommands(program)
  addWithdrawCommand(program)
  addAdvisoriesCommand(program)
  addMetaCommands(program)
  addMaintainerCommands(program)
  for (const command of everyCommand(program)) command.exitOverride().configureOutput({ outputError: () => {} })
  return program
}

/** @returns the exit code: 0 done, 1 refused or failed, 2 wrong use, 3 checked and found false. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const program = createProgram()
  const end = argv.indexOf('--') // what follows are words of another command
  const json = argv.slice(0, end < 0 ? argv.length : end).includes('--json')
  try {
    await program.parseAsync([...argv])
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, json)
    if (error.exitCode === 0) return 0 // --help, --version
    return reportError(new FreshetError('USAGE', error.message.replace(/^error: /, '')), json)
  }
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}
