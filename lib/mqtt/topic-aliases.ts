/**
 * Topic aliases of one publishing connection (MQTT 5 §3.3.2.3.4).
 *
 * Shape: alias → copy of the topic's bytes, length field included. Owner: one decoder; gone with
 *        the connection ([MQTT-3.3.2-7]).
 * Bound: `maximum` topics of at most 64 KiB. `maximum` 0: every alias is refused.
 * Cost:  a PUBLISH without topic is copied once, so that its view is contiguous again.
 */
import type { PublishView } from './publish-view.ts';
import type { Violation } from './violation.ts';

export class TopicAliases {
  readonly #maximum: number;
  #topics: (Buffer | undefined)[] = [];

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** Sets the alias that `view` names, or puts the topic in that it stands for. */
  apply(view: PublishView): Violation | undefined {
    const alias = view.topicAlias;
    if (alias > this.#maximum) return 'alias_too_high';
    const topic = this.#topics[alias];
    if (view.topicEnd - view.topicStart > 2) {
      const given = view.buffer.subarray(view.topicStart, view.topicEnd);
      if (topic === undefined || !topic.equals(given)) this.#topics[alias] = Buffer.from(given);
      return undefined;
    }
    if (topic === undefined) return 'alias_unknown';
    putTopicIn(view, topic);
    return undefined;
  }
}

function putTopicIn(view: PublishView, topic: Buffer): void {
  const rest = view.end - view.propertiesStart;
  const whole = Buffer.allocUnsafe(topic.length + rest);
  topic.copy(whole, 0);
  view.buffer.copy(whole, topic.length, view.propertiesStart, view.end);
  view.payloadStart = topic.length + (view.payloadStart - view.propertiesStart);
  view.buffer = whole;
  view.topicStart = 0;
  view.topicEnd = topic.length;
  view.propertiesStart = topic.length;
  view.end = whole.length;
}
