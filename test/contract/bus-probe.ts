/** What the bus contract's tests use: a harness with its own time, and a bus to question. */
import assert from 'node:assert/strict';
import type {
  AppendRequest,
  AppendResult,
  Bus,
  Follower,
  GetResult,
  StreamConfig,
  StreamMessage,
  StreamState,
} from '#bus';

export interface BusHarness {
  connect(name: string): Promise<Bus>;
  /** Waits until `condition` holds; fails after `msMax`. */
  until(condition: () => boolean, msMax?: number): Promise<void>;
  /** Lets time pass: for what should not happen, where no event says that it does not. */
  pass(ms: number): Promise<void>;
  /** kill −9 of the server; `recover` starts it on its data. */
  crash(): Promise<void>;
  recover(): Promise<void>;
  /** The server stands still, connections stay open; `go` lets it run again. */
  stand(): Promise<void>;
  go(): void;
  end(): Promise<void>;
}

export const bytes = (text: string): Buffer => Buffer.from(text);

/** A stored message as comparable data. */
export function plain(message: StreamMessage): object {
  const { subject, sequence, payload, deleted } = message;
  return { subject, sequence, payload: payload.toString(), deleted };
}

export class Probe {
  readonly harness: BusHarness;
  readonly bus: Bus;
  constructor(harness: BusHarness, bus: Bus) {
    this.harness = harness;
    this.bus = bus;
  }

  async ask<T>(start: (onAnswer: (answer: T) => void) => void): Promise<T> {
    const answers: T[] = [];
    start((answer) => answers.push(answer));
    assert.equal(answers.length, 0, 'a callback came from inside the call');
    await this.harness.until(() => answers.length > 0);
    return answers[0] as T;
  }

  append(stream: string, subject: string, text: string, more?: object): Promise<AppendResult> {
    const request: AppendRequest = { stream, subject, payload: bytes(text), ...more };
    return this.ask((onResult) => this.bus.append(request, onResult));
  }

  last(stream: string, subject: string): Promise<GetResult> {
    return this.ask((onResult) => this.bus.lastOnSubject(stream, subject, onResult));
  }

  get(stream: string, sequence: number): Promise<GetResult> {
    return this.ask((onResult) => this.bus.get(stream, sequence, onResult));
  }

  state(stream: string): Promise<StreamState | undefined> {
    return this.ask((onState) => this.bus.state(stream, onState));
  }

  trim(stream: string, sequence: number): Promise<boolean> {
    return this.ask((onDone) => this.bus.trim(stream, sequence, onDone));
  }
}

/** What a follower was told, in order. */
export class Followed {
  readonly events: string[] = [];
  readonly follower: Follower;
  constructor(bus: Bus, stream: string, fromSequence: number, subject?: string) {
    this.follower = bus.follow({
      stream,
      fromSequence,
      ...(subject === undefined ? {} : { subject }),
      onMessage: (message) => this.events.push(`${message.sequence}`),
      onCaughtUp: (lastSequence) => this.events.push(`caught up ${lastSequence}`),
      onGap: (firstSequence) => this.events.push(`gap ${firstSequence}`),
    });
  }
  get sequences(): number[] {
    return this.events.map(Number).filter((sequence) => !Number.isNaN(sequence));
  }
}

export interface Fixture {
  readonly harness: BusHarness;
  readonly bus: Bus;
  readonly probe: Probe;
  newStream(more?: Partial<StreamConfig>): Promise<string>;
}
