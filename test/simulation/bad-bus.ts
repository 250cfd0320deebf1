/** Buses of simulated processes that are worse than they could be, within what NATS promises. */
import type { Clock, Random } from '#base';
import type { Bus, FollowOptions } from '#bus';
import { SESSIONS_GROUP } from '#session-store';
import { stateStream } from '#state';

/** The bus, whose core messages arrive damaged by chance. */
export function damaging(bus: Bus, random: Random, probability: () => number): Bus {
  const subscribe: Bus['subscribe'] = (subject, onMessage) =>
    bus.subscribe(subject, (message) => {
      const chance = probability();
      if (chance === 0 || random() >= chance) return onMessage(message);
      onMessage({ ...message, payload: damaged(message.payload, random) });
    });
  return new Proxy(bus, {
    get(target, key) {
      if (key === 'subscribe') return subscribe;
      const own: unknown = Reflect.get(target, key);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

/** Names of all session logs begin with it. */
export const SESSION_LOGS = stateStream(SESSIONS_GROUP, 0).slice(0, -2);

/** The bus, whose followers of streams named like this are late; they keep their order. */
export function late(bus: Bus, clock: Clock, streams: string, drawMs: () => number): Bus {
  return new Proxy(bus, {
    get(target, key) {
      const own: unknown = Reflect.get(target, key);
      if (key !== 'follow') return typeof own === 'function' ? own.bind(target) : own;
      return (options: FollowOptions) =>
        bus.follow(
          options.stream.startsWith(streams) ? lateFollow(options, clock, drawMs) : options,
        );
    },
  });
}

function lateFollow(options: FollowOptions, clock: Clock, drawMs: () => number): FollowOptions {
  let dueMs = 0;
  const { onMessage, onCaughtUp, onGap } = options;
  const later = (task: () => void): void => {
    const delayMs = drawMs();
    if (delayMs === 0 && dueMs <= clock.nowMs()) return task();
    dueMs = Math.max(dueMs, clock.nowMs() + delayMs);
    clock.after(dueMs - clock.nowMs(), task);
  };
  return {
    ...options,
    onMessage: (message) => later(() => onMessage(message)),
    onCaughtUp: (sequence) => later(() => onCaughtUp?.(sequence)),
    onGap: (sequence) => later(() => onGap?.(sequence)),
  };
}

/** Cut, of another version, or rubbish. */
function damaged(payload: Buffer, random: Random): Buffer {
  const draw = random();
  if (draw < 0.5) return Buffer.from(payload.subarray(0, Math.floor(random() * payload.length)));
  const copy = Buffer.from(payload);
  if (draw < 0.7) copy[0] = 9;
  else for (let i = 1; i < copy.length; i++) copy[i] = Math.floor(random() * 256);
  return copy;
}
