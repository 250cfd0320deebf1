/**
 * Publish keys — what makes a QoS 2 PUBLISH of a stored session one message, however often its
 * client sends it (protocol 25, docs/adr/0015).
 *
 * Shape: a key for the record; per connection the partition of each identifier that is open, so
 *        that its release goes where the PUBLISH went. One of an earlier connection may be in any:
 *        its release goes to all.
 * Full:  a log that is full takes no release: it is appended again at `tick`, PUBCOMP waits.
 * Clean: a clean session needs no key: nothing of it is sent again after its connection.
 */
import type { AppendOwner, ExactlyOnceKey, PartitionAppender } from '#log';
import type { LocalClient } from './port.ts';
import type { Stay } from './stay.ts';

interface Release {
  readonly client: LocalClient;
  readonly stay: Stay;
  readonly packetIdentifier: number;
  /** Partitions whose log has not got it. */
  missing: number;
}

interface Append {
  readonly release: Release;
  readonly partition: number;
}

export interface PublishKeysOptions {
  readonly appenders: readonly PartitionAppender[];
  readonly stayOf: (client: LocalClient) => Stay | undefined;
  readonly onFull: (partition: number) => void;
}

export class PublishKeys implements AppendOwner {
  readonly #o: PublishKeysOptions;
  readonly #key = { generation: 0, epoch: 0, packetIdentifier: 0 };
  readonly #appends = new Map<number, Append>();
  /** Refused by a full log. */
  #again: Append[] = [];
  #tokens = 0;

  constructor(options: PublishKeysOptions) {
    this.#o = options;
  }

  /** The key of a QoS 2 PUBLISH; borrowed. Undefined: a clean session. */
  keyOf(
    client: LocalClient,
    packetIdentifier: number,
    partition: number,
  ): ExactlyOnceKey | undefined {
    const stay = this.#o.stayOf(client);
    if (stay === undefined) return undefined;
    stay.publishedIn.set(packetIdentifier, partition);
    return this.#keyFor(stay, packetIdentifier);
  }

  #keyFor({ generation, stay }: Stay, packetIdentifier: number): ExactlyOnceKey {
    this.#key.generation = generation;
    this.#key.epoch = stay;
    this.#key.packetIdentifier = packetIdentifier;
    return this.#key;
  }

  /** PUBREL: `client.released` follows when the log has it. */
  release(client: LocalClient, packetIdentifier: number): void {
    const stay = this.#o.stayOf(client);
    if (stay === undefined) return client.released(packetIdentifier);
    const partition = stay.publishedIn.get(packetIdentifier);
    const all = this.#o.appenders.map((_, p) => p);
    const partitions = partition === undefined ? all : [partition];
    const release = { client, stay, packetIdentifier, missing: partitions.length };
    for (const p of partitions) this.#append({ release, partition: p });
  }

  #append(append: Append): void {
    const { release, partition } = append;
    const token = ++this.#tokens;
    this.#appends.set(token, append);
    const key = this.#keyFor(release.stay, release.packetIdentifier);
    const isRoom = this.#o.appenders[partition]?.addRelease(key, this, token);
    if (isRoom === false) this.#o.onFull(partition);
  }

  /** AppendOwner. */
  appended(token: number, outcome: 'stored' | 'full'): void {
    const append = this.#appends.get(token);
    this.#appends.delete(token);
    if (append === undefined || append.release.stay.ended) return;
    if (outcome === 'full') {
      this.#again.push(append);
      return;
    }
    const { release } = append;
    if (--release.missing > 0) return;
    release.stay.publishedIn.delete(release.packetIdentifier);
    release.client.released(release.packetIdentifier);
  }

  tick(): void {
    for (const append of this.#again.splice(0)) {
      if (!append.release.stay.ended) this.#append(append);
    }
  }
}
