/**
 * Steady pair — a publisher and a subscriber that have nothing to do with what is being measured:
 * what their messages take shows what others feel of it.
 *
 * Shape: clean sessions at different gateways, QoS 1, one message every PERIOD_MS, each with the
 *        time at which it was sent. `take` hands over what was measured since it was last called.
 */
import { waitFor } from '../../test/fixtures/wait-for.ts';
import { LightClient } from './light-client.ts';
import { Samples } from './samples.ts';

const PERIOD_MS = 2;
/** For the last message. */
const ARRIVAL_LIMIT_MS = 5_000;
const TOPIC = 'pair/steady';

export class SteadyPair {
  readonly #publisher: LightClient;
  readonly #subscriber: LightClient;
  readonly #timer: NodeJS.Timeout;
  #samples = new Samples();
  #sent = 0;
  #received = 0;

  static async start(ports: readonly [number, number]): Promise<SteadyPair> {
    const subscriber = await LightClient.open({
      port: ports[1],
      identifier: 'pair-subscriber',
      expirySeconds: 0,
    });
    await subscriber.subscribe([TOPIC]);
    const publisher = await LightClient.open({
      port: ports[0],
      identifier: 'pair-publisher',
      expirySeconds: 0,
    });
    return new SteadyPair(publisher, subscriber);
  }

  private constructor(publisher: LightClient, subscriber: LightClient) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    subscriber.onMessage = (bytes, payloadStart) => {
      this.#received++;
      this.#samples.add(performance.now() - bytes.readDoubleBE(payloadStart));
    };
    // A cluster that fails leaves nobody to publish to, and no timer behind.
    publisher.onEnd = () => clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const payload = Buffer.alloc(64);
      payload.writeDoubleBE(performance.now());
      publisher.publish(TOPIC, payload);
      this.#sent++;
    }, PERIOD_MS);
  }

  take(): Samples {
    const samples = this.#samples;
    this.#samples = new Samples();
    return samples;
  }

  /** Ends; throws when a message did not arrive. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const isThrough = (): boolean => this.#received >= this.#sent;
    // What is missing is said below.
    await waitFor(isThrough, { limitMs: ARRIVAL_LIMIT_MS }).catch(() => undefined);
    if (this.#received !== this.#sent) {
      throw new Error(`the pair sent ${this.#sent} and got ${this.#received}`);
    }
    await Promise.all([this.#publisher.leave(), this.#subscriber.leave()]);
  }
}
