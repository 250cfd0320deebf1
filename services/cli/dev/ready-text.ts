/**
 * Ready text — the line that begins with `ready`, the endpoint table, and lines to paste.
 *
 * Everything printed works as printed, from the directory where `weir dev` was started.
 */
import { join, relative, resolve } from 'node:path';
import { WEBSOCKET_PATH } from '../mqtt/connection-options.ts';
import { DEFAULT_DATA } from './endpoints.ts';
import { natsName } from './ports.ts';
import type { ClusterPorts } from './ports.ts';

export interface ReadyOptions {
  readonly ports: ClusterPorts;
  readonly elapsedSeconds: number;
  readonly fsyncsPerSecond: number;
  /** As the user gave it. */
  readonly dataDirectory: string;
  readonly partitions: number;
  readonly workingDirectory: string;
}

const ROOT = join(import.meta.dirname, '../../..');

export function renderReady(options: ReadyOptions): string {
  const fsyncs = Math.round(options.fsyncsPerSecond).toLocaleString('en-US');
  return [
    `ready in ${options.elapsedSeconds.toFixed(1)} s`,
    '',
    ...renderEndpoints(options.ports),
    '',
    `  Data in ${options.dataDirectory}; this disk does ${fsyncs} fsyncs/s.`,
    '  Clients with certificates: thermostat, dashboard, operator.',
    ...renderPlainWarning(options.ports),
    '',
    '  Try, in another terminal:',
    ...renderExamples(options).map((line) => `    ${line}`),
    '',
    '  Ctrl-C stops everything; the data stays.',
  ].join('\n');
}

function renderEndpoints(ports: ClusterPorts): string[] {
  const metrics = (port: number): string => `http://localhost:${port}/metrics`;
  const gateways = ports.gateways.flatMap(({ tls, wss, plain, ws, http }, index) => {
    const mqtt = plain === undefined ? '' : `mqtt://localhost:${plain}`;
    const web = ws === undefined ? '' : `ws://localhost:${ws}${WEBSOCKET_PATH}`;
    return [
      [`gateway-${index + 1}`, `mqtts://localhost:${tls}`, mqtt, metrics(http)],
      ['', `wss://localhost:${wss}${WEBSOCKET_PATH}`, web, ''],
    ];
  });
  const dispatchers = ports.dispatchers.map((port, index) => {
    return [`dispatcher-${index + 1}`, '', '', metrics(port)];
  });
  const api = `http://localhost:${ports.control}`;
  const nats = ports.nats.map(({ client, http }, index) => {
    const url = `nats://localhost:${client}`;
    return [natsName(ports, index), url, '', `http://localhost:${http}`];
  });
  return renderColumns([
    ...gateways,
    ...dispatchers,
    ['router', '', '', metrics(ports.router)],
    ['control', api, '', metrics(ports.control)],
    ...nats,
  ]);
}

function renderColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `  ${cells.filter((_, column) => widths[column] !== 0).join('  ')}`.trimEnd();
  });
}

function renderPlainWarning(ports: ClusterPorts): string[] {
  if (ports.gateways[0]?.plain === undefined) return [];
  return [
    '  mqtt:// and ws:// have no security: anybody on this machine may do anything.',
    '  --no-plain ends them.',
  ];
}

/** Lines to paste, in the order in which they are of use. */
export function renderExamples(options: ReadyOptions): string[] {
  const { ports, dataDirectory, workingDirectory } = options;
  const weir = commandIn(workingDirectory);
  const isDefault = resolve(workingDirectory, dataDirectory) === resolve(DEFAULT_DATA);
  const data = isDefault ? '' : ` --data ${quote(dataDirectory)}`;
  const last = ports.gateways.length;
  const mosquitto = (name: string, port: number): string => {
    const file = (part: string): string => quote(join(dataDirectory, 'certs', part));
    const own = `-u ${name} --cert ${file(`${name}.pem`)} --key ${file(`${name}.key`)}`;
    return `-h localhost -p ${port} --cafile ${file('ca.pem')} ${own}`;
  };
  const { tls: firstPort = 0 } = ports.gateways[0] ?? {};
  const { tls: lastPort = 0 } = ports.gateways[last - 1] ?? {};
  return [
    `${weir} sub${data} --as dashboard --gateway ${last} -t 'demo/#' -v`,
    `${weir} pub${data} --as thermostat -t demo/thermostat/mode -m eco`,
    `${weir} pub${data} --as thermostat --ws -t demo/thermostat/mode -m away`,
    `mosquitto_sub ${mosquitto('dashboard', lastPort)} -q 1 -t 'demo/#' -v`,
    `mosquitto_pub ${mosquitto('thermostat', firstPort)} -q 1 -t demo/thermostat/mode -m eco`,
    `curl http://localhost:${ports.control}/v1/namespaces/default/clients`,
  ];
}

/** npx knows the project's own command only in the project's directory. */
function commandIn(workingDirectory: string): string {
  if (relative(workingDirectory, ROOT) === '') return 'npx weir';
  return `node ${quote(join(ROOT, 'scripts/weir.mjs'))}`;
}

/** For a POSIX shell. */
export function quote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
