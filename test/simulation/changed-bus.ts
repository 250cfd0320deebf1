/**
 * A bus with some methods replaced, and what planted faults do with it: they change the messages of
 * one process, so that it breaks one rule of the protocol.
 */
import type { Bus, FollowOptions } from '#bus';
import {
  decodeMessage,
  encodeMessage,
  FRAME_VERSION,
  SECTION_ANSWER,
  SECTION_HEADER_BYTES,
} from '#frames';
import { decodeLease, encodeLease, type GatewayReport, type LeaseRecord } from '#lease';

export type Fields = Record<string, unknown>;

/** One section of a frame. */
export interface Section {
  readonly kind: number;
  readonly body: Buffer;
}

/** The bus with some methods replaced. */
export function changed(bus: Bus, changes: Partial<Bus>): Bus {
  return new Proxy(bus, {
    get(target, key) {
      const own = Reflect.get(changes, key) ?? Reflect.get(target, key);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

/** Changes what a gateway says to owners; undefined: it is not said. */
export function lyingToOwners(
  bus: Bus,
  lie: (message: Fields) => Fields | readonly Fields[] | undefined,
): Bus {
  return changed(bus, {
    publish: (subject, payload, reply) => {
      if (!subject.startsWith('owner.')) return bus.publish(subject, payload, reply);
      const messages = decodeMessage<Fields[]>(Buffer.from(payload));
      const told = messages.flatMap((message) => lie(message) ?? []);
      return bus.publish(subject, encodeMessage(told), reply);
    },
  });
}

/** Changes what owners say to gateways, section by section; undefined: it is not said. */
export function lyingToGateways(bus: Bus, lie: (section: Section) => Section | undefined): Bus {
  return changed(bus, {
    publish: (subject, payload, reply) => {
      if (!subject.startsWith('frame.')) return bus.publish(subject, payload, reply);
      const told = sectionsOf(Buffer.from(payload)).map(lie);
      return bus.publish(subject, frameOf(told.filter((s) => s !== undefined)), reply);
    },
  });
}

/** As above, but for answers only. */
export function answeringWrong(bus: Bus, lie: (answer: Fields) => Fields | undefined): Bus {
  return lyingToGateways(bus, (section) => {
    if (section.kind !== SECTION_ANSWER) return section;
    const answer = lie(JSON.parse(section.body.toString('utf8')) as Fields);
    if (answer === undefined) return undefined;
    return { kind: section.kind, body: Buffer.from(JSON.stringify(answer), 'utf8') };
  });
}

/** Changes what a gateway writes into its report. */
export function reportingWrong(bus: Bus, lie: (report: GatewayReport) => GatewayReport): Bus {
  return changed(bus, {
    append: (request, onResult) => {
      if (!request.subject.startsWith('gw.gateway.')) return bus.append(request, onResult);
      const record: LeaseRecord<GatewayReport> = decodeLease(Buffer.from(request.payload));
      if (record.state !== 'held') return bus.append(request, onResult);
      const payload = encodeLease({ ...record, content: lie(record.content) });
      bus.append({ ...request, payload }, onResult);
    },
  });
}

/** Follows streams in another way. */
export function following(bus: Bus, follow: (options: FollowOptions) => FollowOptions): Bus {
  return changed(bus, { follow: (options) => bus.follow(follow(options)) });
}

export function sectionsOf(frame: Buffer): Section[] {
  const sections: Section[] = [];
  let at = 1;
  while (at < frame.length) {
    const end = at + SECTION_HEADER_BYTES + frame.readUInt32BE(at + 1);
    sections.push({ kind: frame[at] as number, body: frame.subarray(at + 5, end) });
    at = end;
  }
  return sections;
}

export function frameOf(sections: readonly Section[]): Buffer {
  const parts = sections.flatMap(({ kind, body }) => {
    const header = Buffer.alloc(SECTION_HEADER_BYTES);
    header[0] = kind;
    header.writeUInt32BE(body.length, 1);
    return [header, body];
  });
  return Buffer.concat([Buffer.from([FRAME_VERSION]), ...parts]);
}
