/**
 * `weir allow` — would a client be allowed, and which group, topic space and binding decide?
 *
 * Exit code: 0 allowed, 2 denied, 1 a fault.
 */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { WriteLine } from './apply-command.ts';
import { ControlClient, DEFAULT_API_URL } from './control-client.ts';
import type { AccessCheck } from './control-client.ts';
import { formatted, outputOption } from './output.ts';
import type { OutputFormat } from './output.ts';
import { told } from './told.ts';

export const DENIED_EXIT_CODE = 2;

export function allowCommand(program: Command): void {
  program
    .command('allow')
    .description('tell whether a client may publish or subscribe, and why')
    .argument('<client>', 'name or authentication name')
    .addArgument(new Argument('<operation>').choices(['publish', 'subscribe']))
    .argument('<topic>', 'topic name, or topic filter to subscribe')
    .option('--api <url>', 'address of the control API', DEFAULT_API_URL)
    .addOption(outputOption())
    .action(
      async (
        client: string,
        operation: 'publish' | 'subscribe',
        topic: string,
        options: { api: string; output: OutputFormat },
      ) => {
        await told(async () => {
          const check = await new ControlClient(options.api).checkAccess(client, operation, topic);
          writeCheck(check, options.output, console.log);
          if (!check.allowed) process.exitCode = DENIED_EXIT_CODE;
        });
      },
    );
}

export function writeCheck(check: AccessCheck, output: OutputFormat, out: WriteLine): void {
  if (output !== 'table') return out(formatted(check, output));
  const { allowed, clientName, operation, topic, explanation, bindings } = check;
  const verdict = allowed ? 'allowed' : 'denied';
  out(`${verdict}: ${clientName} ${operation} ${topic}: ${explanation}`);
  for (const binding of bindings) {
    const { permissionBindingName, clientGroupName, topicSpaceName } = binding;
    const group = `group ${clientGroupName} ${binding.isMember ? 'has it' : 'does not have it'}`;
    const space =
      binding.topicTemplate === ''
        ? `space ${topicSpaceName} does not cover the topic`
        : `space ${topicSpaceName} covers it by ${binding.topicTemplate} (${binding.topicFilter})`;
    const word = binding.effect === 'Deny' ? ' (denies)' : '';
    out(`  binding ${permissionBindingName}${word}: ${group}, ${space}`);
  }
}
