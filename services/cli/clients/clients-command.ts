/**
 * `weir clients` — looks at, makes, changes, issues and imports clients through the control API.
 *
 * A refusal of the API is one line per field on standard error, and exit code 1.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { Fault } from '#base';
import { CertificateStore } from '../certs/store.ts';
import { ControlClient, DEFAULT_API_URL } from '../registry/control-client.ts';
import { listOutputOption } from '../registry/output.ts';
import type { ListFormat } from '../registry/output.ts';
import { told } from '../registry/told.ts';
import { createSpec, setState, writeClients } from './client-actions.ts';
import type { CreateOptions } from './client-actions.ts';
import { importClients } from './import-clients.ts';
import { issueClientCertificate } from './issue-client.ts';

const DEFAULT_CERTIFICATES = '.weir/certs';

interface ApiOption {
  readonly api: string;
}

export function clientsCommand(program: Command): void {
  const clients = program.command('clients').description('clients in the registry');
  addReading(clients);
  addChanging(clients);
  withApi(clients.command('issue'))
    .description('register a client if need be, make its key and certificate')
    .argument('<name>')
    .option(
      '-d, --dir <dir>',
      'directory of ca.pem, ca.key and the new files',
      DEFAULT_CERTIFICATES,
    )
    .option('--host <host>', 'broker in the line that is printed', 'localhost')
    .option('--port <port>', 'its port', '8883')
    .option('-a, --attribute <key=value...>', 'attributes, when it is registered')
    .action(async (name: string, options: IssueOptions) => {
      const store = new CertificateStore(options.dir);
      await told(async () => {
        const client = new ControlClient(options.api);
        await issueClientCertificate({ ...options, client, store, name, out: console.log });
      });
    });
  withApi(clients.command('import'))
    .description('create clients from a file, one JSON object in each line')
    .argument(
      '<file>',
      'lines like {"name":"robot-1","attributes":{"type":"robot"}}; - reads stdin',
    )
    .option('--replace', 'replace clients that exist; without it they are refused', false)
    .action(async (file: string, options: ApiOption & { replace: boolean }) => {
      const lines = await linesOf(file);
      const client = new ControlClient(options.api);
      const { replace } = options;
      const label = file === '-' ? 'stdin' : file;
      const say = { err: console.error, progress: progressLine(process.stderr) };
      const { refused } = await importClients({ client, lines, file: label, replace, ...say });
      if (refused > 0) process.exitCode = 1;
    });
}

interface IssueOptions extends ApiOption {
  readonly dir: string;
  readonly host: string;
  readonly port: string;
  readonly attribute?: readonly string[];
}

function addReading(clients: Command): void {
  withApi(clients.command('list'))
    .description('all clients, in the order of names')
    .addOption(listOutputOption())
    .action(async (options: ApiOption & { output: ListFormat }) => {
      await told(async () => {
        const all = [];
        for await (const one of new ControlClient(options.api).list('clients')) all.push(one);
        writeClients(all, options.output, console.log);
      });
    });
  withApi(clients.command('get'))
    .description('one client')
    .argument('<name>')
    .addOption(listOutputOption())
    .action(async (name: string, options: ApiOption & { output: ListFormat }) => {
      await told(async () => {
        const found = await new ControlClient(options.api).get('clients', name);
        if (found === undefined) throw new Fault('WEIR_CONFIG', `there is no client "${name}"`);
        if (options.output === 'table') writeClients([found], 'table', console.log);
        else writeClients(found, options.output, console.log);
      });
    });
}

function addChanging(clients: Command): void {
  withApi(clients.command('create'))
    .description('register a client')
    .argument('<name>')
    .option('--authentication-name <text>', 'default: the name')
    .option('--scheme <scheme>', 'what of its certificate has to match: SubjectMatches…, Dns…')
    .option('--thumbprint <sha256...>', 'one or two fingerprints of its certificate')
    .option('--description <text>', 'for people')
    .option('-a, --attribute <key=value...>', 'a whole number, a text, or a list: zones=[a,b]')
    .action(async (name: string, options: ApiOption & CreateOptions) => {
      await told(async () => {
        await new ControlClient(options.api).create('clients', name, createSpec(options));
        console.log(`created clients/${name}`);
      });
    });
  withApi(clients.command('delete'))
    .description('delete clients; their connections end')
    .argument('<name...>')
    .action(async (names: string[], options: ApiOption) => {
      const client = new ControlClient(options.api);
      for (const name of names) {
        await told(async () => {
          const existed = await client.delete('clients', name);
          if (!existed) throw new Fault('WEIR_CONFIG', `there is no client "${name}"`);
          console.log(`deleted clients/${name}`);
        });
      }
    });
  const states = [
    ['disable', 'Disabled', 'shut clients out; their connections end'],
    ['enable', 'Enabled', 'let clients in again'],
  ] as const;
  for (const [word, state, description] of states) {
    withApi(clients.command(word))
      .description(description)
      .argument('<name...>')
      .action(async (names: string[], options: ApiOption) => {
        const client = new ControlClient(options.api);
        for (const name of names) {
          await told(async () => console.log(await setState(client, name, state)));
        }
      });
  }
}

function withApi(command: Command): Command {
  return command.option('--api <url>', 'address of the control API', DEFAULT_API_URL);
}

async function linesOf(file: string): Promise<AsyncIterable<string>> {
  if (file === '-') return createInterface({ input: process.stdin });
  try {
    // Opened here, so that a missing file is told before anything else.
    await (await open(file)).close();
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `cannot read ${file}: ${String(cause)}`, cause);
  }
  return createInterface({ input: createReadStream(file), crlfDelay: Infinity });
}

/** On a terminal one line that changes; elsewhere a line each time. */
function progressLine(stream: NodeJS.WriteStream): (text: string, isLast: boolean) => void {
  return (text, isLast) => {
    if (stream.isTTY) stream.write(`\r${text}\u001b[K${isLast ? '\n' : ''}`);
    else stream.write(`${text}\n`);
  };
}
