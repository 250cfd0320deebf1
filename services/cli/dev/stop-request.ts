/**
 * Stop request — who may end a development cluster: a signal, a closed output, or, with
 * --control-stdin, the end of standard input.
 */
import { createInterface } from 'node:readline';

export interface StopRequest {
  /** Resolves once, with what asked for it. */
  readonly asked: Promise<string>;
  /** Whether it was asked already. */
  readonly isAsked: boolean;
  /** Stops listening, so that the process can end. */
  close(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `onCommand` receives lines of standard input; undefined: it is not read. */
export function listenForStop(onCommand: ((line: string) => void) | undefined): StopRequest {
  let isAsked = false;
  let close = (): void => undefined;
  const asked = new Promise<string>((resolve) => {
    const ask = (why: string): void => {
      isAsked = true;
      resolve(why);
    };
    for (const signal of SIGNALS) process.on(signal, ask);
    // A reader that went away (`npm start | head`) must not crash us before all is stopped.
    process.stdout.on('error', () => ask('output closed'));
    process.stderr.on('error', () => undefined);
    if (onCommand === undefined) return;
    const lines = createInterface({ input: process.stdin });
    lines.on('line', onCommand);
    lines.once('close', () => ask('standard input closed'));
    close = () => {
      lines.close();
      process.stdin.destroy();
    };
  });
  return {
    asked,
    get isAsked() {
      return isAsked;
    },
    close: () => close(),
  };
}
