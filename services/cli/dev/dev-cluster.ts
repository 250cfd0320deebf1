/**
 * Development cluster — from options to running processes, and back to nothing.
 *
 * Start: preflight, then the processes; when all are ready and the development resources are
 *        registered, the line that begins with `ready`, the endpoints, and lines to paste.
 * Ends:  on a stop request, at any moment: whatever was started is stopped, in reverse order.
 */
import type { CertificatePaths } from '../certs/store.ts';
import { ControlClient } from '../registry/control-client.ts';
import { createPalette, wantsColour } from '../terminal.ts';
import type { Palette } from '../terminal.ts';
import type { DevOptions } from './dev-command.ts';
import { writeEndpoints } from './endpoints.ts';
import type { ProcessEndpoint } from './endpoints.ts';
import { measureFsyncRate } from './fsync-rate.ts';
import { renderLogLine } from './log-line.ts';
import { LOOPBACK } from './ports.ts';
import { SERVER_CERTIFICATE, prepare } from './preflight.ts';
import type { Preflight } from './preflight.ts';
import { planProcesses } from './process-table.ts';
import type { Environment } from './process-table.ts';
import { renderReady } from './ready-text.ts';
import { Registration } from './registration.ts';
import { listenForStop } from './stop-request.ts';
import { Supervisor } from './supervisor.ts';

/** Column of names before each log line. */
const NAME_WIDTH = 'dispatcher-1'.length;
const OWN_NAME = 'weir';

/** → exit code. Throws a Fault when the cluster cannot start. */
export async function runDevCluster(options: DevOptions, env: Environment): Promise<number> {
  const startMs = performance.now();
  const preflight = await prepare(options);
  try {
    await new DevCluster(options, env, preflight).run(startMs);
    return 0;
  } finally {
    await preflight.close();
  }
}

class DevCluster {
  readonly #options: DevOptions;
  readonly #preflight: Preflight;
  readonly #palette: Palette;
  readonly #logLevel: string;
  readonly #supervisor: Supervisor;
  readonly #colours = new Map<string, number>();
  #isReady = false;
  #isEnding = false;

  constructor(options: DevOptions, env: Environment, preflight: Preflight) {
    this.#options = options;
    this.#preflight = preflight;
    this.#palette = createPalette(wantsColour(process.stdout, env));
    this.#logLevel = env.WEIR_LOG_LEVEL ?? 'info';
    const { ports, natsServer, data, certificates, held } = preflight;
    const server: CertificatePaths = certificates.paths(SERVER_CERTIFICATE);
    this.#supervisor = new Supervisor({
      table: planProcesses({
        ports,
        natsServer,
        natsDirectory: data.nats,
        partitions: options.partitions,
        server,
        demoArgs: options.demo ? ['demo', '--data', data.path] : undefined,
        env,
      }),
      restart: options.restart,
      onLine: (name, line) => this.#printLine(name, line),
      onNotice: (text) => this.#printNotice(text),
      onChange: () => this.#publishEndpoints(),
      beforeStart: (spec) => held.release(spec.ports),
    });
    for (const name of this.#supervisor.processes.keys()) {
      this.#colours.set(name, this.#colours.size);
    }
  }

  async run(startMs: number): Promise<void> {
    const onCommand = (line: string): void => this.#obey(line);
    const stop = listenForStop(this.#options.controlStdin === true ? onCommand : undefined);
    const stopped = stop.asked.then((why) => this.#stop(why));
    try {
      await this.#start(startMs);
      await stopped;
    } catch (cause) {
      this.#isEnding = true;
      await this.#supervisor.stop();
      if (!stop.isAsked) throw cause;
    } finally {
      stop.close();
    }
  }

  async #start(startMs: number): Promise<void> {
    const { data, ports, isFirstStart, certificates } = this.#preflight;
    const count = this.#supervisor.processes.size;
    const first = isFirstStart ? ' (first start: made a CA and certificates)' : '';
    this.#printNotice(`starting ${count} processes on ${data.path}${first}`);
    const registration = new Registration({
      client: new ControlClient(`http://${LOOPBACK}:${ports.control}`),
      authority: certificates.authority.certificate,
      registeredFile: data.registeredFile,
    });
    const whenReady = new Map([['control', () => registration.registerDevelopment()]]);
    if (ports.webhook !== undefined) {
      const url = `http://${LOOPBACK}:${ports.webhook}/events`;
      whenReady.set('demo', () => registration.registerDemo(url));
    }
    const fsyncsPerSecond = measureFsyncRate(data.path);
    await this.#supervisor.start(whenReady);
    if (ports.webhook === undefined) await registration.removeDemo();
    this.#isReady = true;
    this.#publishEndpoints();
    const elapsedSeconds = (performance.now() - startMs) / 1_000;
    const text = renderReady({
      ports,
      elapsedSeconds,
      fsyncsPerSecond,
      dataDirectory: this.#options.data,
      partitions: this.#options.partitions,
      workingDirectory: process.cwd(),
    });
    console.log(text);
  }

  async #stop(why: string): Promise<void> {
    this.#isEnding = true;
    this.#printNotice(`stopping (${why})`);
    await this.#supervisor.stop();
    this.#printNotice('stopped');
  }

  /** `start NAME`: what a test says after it has killed a process under --no-restart. */
  #obey(line: string): void {
    const name = /^start (\S+)$/.exec(line.trim())?.[1];
    if (name !== undefined && this.#supervisor.startAgain(name)) return;
    this.#printNotice(`not understood: ${line}`);
  }

  #publishEndpoints(): void {
    // While it ends the file is about to go; nobody may find half a cluster in it.
    if (this.#isEnding) return;
    const { data, ports, certificates } = this.#preflight;
    const processes: Record<string, ProcessEndpoint> = {};
    for (const [name, { state, pid, restartCount }] of this.#supervisor.processes) {
      processes[name] = { state, ...(pid === undefined ? {} : { pid }), restarts: restartCount };
    }
    writeEndpoints({
      supervisorPid: process.pid,
      dataDirectory: data.path,
      ready: this.#isReady,
      ports,
      certificates: {
        directory: certificates.directory,
        ca: certificates.authority.certificate,
      },
      processes,
    });
  }

  #printLine(name: string, line: string): void {
    const text = renderLogLine(name, this.#colours.get(name) ?? 0, line, {
      palette: this.#palette,
      nameWidth: NAME_WIDTH,
      level: this.#logLevel,
    });
    if (text !== undefined) console.log(text);
  }

  #printNotice(text: string): void {
    console.log(this.#palette.bold(`${OWN_NAME.padEnd(NAME_WIDTH)} │ ${text}`));
  }
}
