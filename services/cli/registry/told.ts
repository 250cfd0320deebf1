/** Refusals of the API as lines for people: one per field, or what the API says; exit code 1. */
import { ControlRefusal } from './control-client.ts';

/** Does something with the API; other faults go on to the caller. */
export async function told(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (cause) {
    if (!(cause instanceof ControlRefusal)) throw cause;
    const lines = cause.violations.map(({ field, description }) => `${field}: ${description}`);
    for (const line of lines.length > 0 ? lines : [cause.message]) console.error(`weir: ${line}`);
    process.exitCode = 1;
  }
}
