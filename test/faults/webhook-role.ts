/**
 * Webhook role — an event subscription whose receiver fails now and then: each event at least once.
 *
 * What was published once has one event id, however often it is delivered.
 */
import { setTimeout as pass } from 'node:timers/promises';
import type { Random } from '#base';
import { ControlClient } from '../../services/cli/registry/control-client.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { contentOf, startWebhookReceiver } from '../fixtures/webhook-receiver.ts';
import type { DeliveryAnswer, WebhookReceiver } from '../fixtures/webhook-receiver.ts';
import type { Broken } from './broken.ts';
import { compare, judge } from './judgement.ts';
import type { Publication } from './ledger.ts';
import { Life } from './life.ts';
import { Publisher } from './publisher.ts';
import { liveFilter } from './role.ts';
import type { Ground, Role, Verdict } from './role.ts';
import { sumUp } from './subscriber-role.ts';

const ATTEMPTS_MAX = 1_000;
const START_LIMIT_MS = 20_000;
const PROBES_PER_SECOND = 20;
/** Changes of the registry act within a second. */
const HEARD_MS = 1_000;
/** Deliveries that are refused, and cut, of a hundred. */
const REFUSED_PERCENT = 2;
const CUT_PERCENT = 1;

export class WebhookRole implements Role {
  readonly name = 'webhook';
  readonly #ground: Ground;
  readonly #life: Life;
  #receiver: WebhookReceiver | undefined;
  #taken = 0;
  #isSettling = false;
  readonly #ids = new Map<Publication, Set<string>>();

  constructor(ground: Ground) {
    this.#ground = ground;
    const { run, ledger } = ground;
    const filter = liveFilter(run);
    this.#life = new Life({ kind: 'webhook', name: 'webhook', filter, qos: 1, ledger });
  }

  /** Resolves when the router follows the event subscription: what came before is not its. */
  async start(): Promise<void> {
    const { run, cluster, ledger, entrance, random } = this.#ground;
    const receiver = await startWebhookReceiver();
    this.#receiver = receiver;
    await new ControlClient(cluster.apiUrl).create('eventSubscriptions', run, {
      topicFilters: [liveFilter(run)],
      destination: { webhook: { endpointUrl: receiver.url } },
      deliveryAttemptsMax: ATTEMPTS_MAX,
    });
    const probe = new Publisher({
      ...{ name: `${run}-probe`, ledger, entrance, random },
      ...{ topics: [`${run}/live/probe`], perSecond: PROBES_PER_SECOND, qos: 1, version: 5 },
    });
    const isRouted = (): boolean => receiver.events.length > 0;
    await waitFor(isRouted, { limitMs: START_LIMIT_MS, what: 'an event at the webhook' });
    probe.stop();
    await waitFor(() => probe.openCount === 0, { what: 'PUBACK of the probe' });
    probe.close();
    // Gateways log QoS 0 for it once they have heard of it, too.
    await pass(HEARD_MS);
    receiver.answer = () => this.#answer(random);
    this.#life.begin();
  }

  settle(): void {
    this.#isSettling = true;
  }

  owed(): number {
    this.#read();
    return compare(this.#life, { calm: false }).missing.length;
  }

  judge(calm: boolean): Verdict {
    this.#read();
    const judgement = judge(this.#life, { calm });
    const sums = [sumUp('webhook', [this.#life], [judgement], 0)];
    return { sums, broken: [...judgement.broken, ...this.#manyIds()] };
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
  }

  #answer(random: Random): DeliveryAnswer {
    if (this.#isSettling) return 204;
    const percent = random() * 100;
    // 503 would be waited for longer than a short run lasts.
    if (percent < REFUSED_PERCENT) return 500;
    return percent < REFUSED_PERCENT + CUT_PERCENT ? 'cut' : 204;
  }

  #read(): void {
    const { events } = this.#receiver ?? { events: [] };
    for (; this.#taken < events.length; this.#taken++) {
      const event = events[this.#taken];
      if (event === undefined) continue;
      const content = contentOf(event);
      const topic = event.subject ?? '';
      this.#life.take({ topic, content, qos: 1, dup: false, retain: false });
      const publication = this.#ground.ledger.find(content);
      if (publication === undefined) continue;
      const ids = this.#ids.get(publication);
      if (ids === undefined) this.#ids.set(publication, new Set([event.id]));
      else ids.add(event.id);
    }
  }

  /** More event ids than times that it was published. */
  #manyIds(): Broken[] {
    const broken: Broken[] = [];
    for (const [publication, ids] of this.#ids) {
      if (ids.size <= 1 + publication.repeats) continue;
      const text = `${publication.kind} ${publication.id} has ${ids.size} event ids`;
      const atMs = publication.sentMs;
      broken.push({ what: 'twice', who: 'webhook', text, atMs, publication });
    }
    return broken;
  }
}
