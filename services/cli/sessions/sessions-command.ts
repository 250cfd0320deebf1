/**
 * `weir sessions` — lists stored sessions, looks at one, disconnects and deletes, through the API.
 *
 * Exit code: 1 if one of them was refused; what was not connected counts as disconnected.
 */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { ControlClient, ControlRefusal, DEFAULT_API_URL } from '../registry/control-client.ts';
import { listOutputOption } from '../registry/output.ts';
import type { ListFormat } from '../registry/output.ts';
import { told } from '../registry/told.ts';
import { deleteSession, disconnectSession, getSession, listSessions } from './session-client.ts';
import type { ListedSession } from './session-client.ts';
import { nameOf, writeSession, writeSessions } from './session-output.ts';

interface ApiOption {
  readonly api: string;
}

interface ListOptions extends ApiOption {
  readonly output: ListFormat;
  readonly prefix?: string;
  readonly authenticationName?: string;
  readonly gateway?: string;
  readonly connected?: boolean;
  readonly offline?: boolean;
  readonly limit?: number;
}

export function sessionsCommand(program: Command): void {
  const sessions = program.command('sessions').description('stored sessions of MQTT clients');
  addList(sessions);
  withApi(sessions.command('get'))
    .description('one stored session: subscriptions, what waits, what is in flight')
    .argument('<client-identifier>')
    .addOption(listOutputOption())
    .action(async (identifier: string, options: ApiOption & { output: ListFormat }) => {
      await told(async () => {
        const session = await withHint(getSession(new ControlClient(options.api), identifier));
        writeSession(session, options.output, Date.now(), console.log);
      });
    });
  withApi(sessions.command('disconnect'))
    .description('end connections, also those with clean sessions; stored sessions stay')
    .argument('<client-identifier...>')
    .action((identifiers: string[], options: ApiOption) =>
      forEach(identifiers, options, async (client, clientIdentifier) => {
        const wasConnected = await disconnectSession(client, clientIdentifier);
        const name = nameOf({ clientIdentifier });
        return wasConnected ? `disconnected sessions/${name}` : `sessions/${name} is not connected`;
      }),
    );
  withApi(sessions.command('delete'))
    .description('end sessions with all that waits in them; who is connected is disconnected')
    .argument('<client-identifier...>')
    .action((identifiers: string[], options: ApiOption) =>
      forEach(identifiers, options, async (client, clientIdentifier) => {
        await deleteSession(client, clientIdentifier);
        return `deleted sessions/${nameOf({ clientIdentifier })}`;
      }),
    );
}

function addList(sessions: Command): void {
  withApi(sessions.command('list'))
    .description('stored sessions in the order of client identifiers; clean ones are not stored')
    .option('--prefix <text>', 'only client identifiers that begin like this')
    .option('--authentication-name <name>', 'only of this authentication name')
    .option('--gateway <name>', 'only those connected to this gateway: instance or incarnation')
    .option('--connected', 'only those that are connected')
    .addOption(new Option('--offline', 'only those that are not').conflicts('connected'))
    .option('--limit <count>', 'at most so many', readCount)
    .addOption(listOutputOption())
    .action(async (options: ListOptions) => {
      const { api, output, prefix, authenticationName, gateway, connected, offline } = options;
      await told(async () => {
        const filter = {
          clientIdentifierPrefix: prefix,
          authenticationName,
          gateway,
          connected: connected ?? (offline === true ? false : undefined),
        };
        const found: ListedSession[] = [];
        for await (const session of listSessions(new ControlClient(api), filter)) {
          if (found.length === options.limit) break;
          found.push(session);
        }
        writeSessions(found, output, Date.now(), console.log);
      });
    });
}

async function forEach(
  identifiers: readonly string[],
  { api }: ApiOption,
  act: (client: ControlClient, identifier: string) => Promise<string>,
): Promise<void> {
  const client = new ControlClient(api);
  for (const identifier of identifiers) {
    await told(async () => console.log(await withHint(act(client, identifier))));
  }
}

/** Says how to find out what there is. */
async function withHint<Value>(answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (cause) {
    if (!(cause instanceof ControlRefusal) || cause.status !== 'NOT_FOUND') throw cause;
    const says = `${cause.message} (weir sessions list shows what is stored)`;
    throw new ControlRefusal(cause.httpStatus, cause.status, says, [...cause.violations]);
  }
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number above 0.');
}

function withApi(command: Command): Command {
  return command.option('--api <url>', 'address of the control API', DEFAULT_API_URL);
}
