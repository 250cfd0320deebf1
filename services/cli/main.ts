/**
 * weir — the command line: the development cluster, and small tools for users of any cluster.
 *
 * A Fault is one line on standard error and exit code 1; anything else keeps its stack.
 */
import { Command } from 'commander';
import { Fault } from '#base';
import { certsCommand } from './certs/certs-command.ts';
import { clientsCommand } from './clients/clients-command.ts';
import { demoCommand } from './demo/demo-command.ts';
import { devCommand } from './dev/dev-command.ts';
import { publishCommand } from './mqtt/publish-command.ts';
import { subscribeCommand } from './mqtt/subscribe-command.ts';
import { allowCommand } from './registry/allow-command.ts';
import { applyCommand } from './registry/apply-command.ts';
import { sessionsCommand } from './sessions/sessions-command.ts';

const program = new Command('weir')
  .description('Clustered MQTT broker on NATS JetStream')
  .showHelpAfterError('(--help shows what there is)');
devCommand(program, process.env);
demoCommand(program);
publishCommand(program);
subscribeCommand(program);
certsCommand(program);
applyCommand(program);
allowCommand(program);
clientsCommand(program);
sessionsCommand(program);

try {
  await program.parseAsync();
} catch (cause) {
  console.error(cause instanceof Fault ? `weir: ${cause.message}` : cause);
  process.exitCode = 1;
}
