/**
 * A PUBLISH as offsets into the bytes it came in — what the hot path passes around.
 *
 * Shape: one flat object over a buffer holding, contiguous and in this order,
 *
 *          topicLength u16 | topic | propertiesLength varint | properties | payload
 *
 *        which is at once the inside of an MQTT 5 PUBLISH without packet identifier and the tail of
 *        a message in a log record (proto/wire/record.md). MQTT 3.1.1 bytes have no properties:
 *        then `propertiesStart === payloadStart`. With QoS ≥ 1 in a packet the identifier stands
 *        between topic and properties, so `topicEnd` and `propertiesStart` are two fields.
 * Owner: whoever made it; reused between packets by the decoder, so it is borrowed for a call.
 * Why:   nothing is copied or re-encoded between a publisher's socket, the log and a subscriber.
 */
import type { Clock } from '#base';

const EMPTY = Buffer.alloc(0);

export class PublishView {
  /** Tells it from the other packets that a decoder hands out. */
  readonly kind = 'publish';
  buffer: Buffer = EMPTY;
  /** First byte of the topic's u16 length. */
  topicStart = 0;
  /** One past the topic's last byte. */
  topicEnd = 0;
  /** First byte of the properties' length; equals `payloadStart` when there are none. */
  propertiesStart = 0;
  payloadStart = 0;
  /** One past the payload's last byte. */
  end = 0;
  qos: 0 | 1 | 2 = 0;
  retain = false;
  dup = false;
  /** 0 with QoS 0. */
  packetIdentifier = 0;
  /** Topic Alias of the packet, 0 = none. Never forwarded. */
  topicAlias = 0;
  /** Message Expiry Interval of the packet in seconds, -1 = none. */
  messageExpiryIntervalSeconds = -1;
  /**
   * True: the property bytes may be forwarded as they are. False: they hold a Topic Alias or a
   * Message Expiry Interval (which must be rewritten) and are rebuilt first.
   */
  propertiesForwardable = true;
  /** Absolute expiry, seconds since 1970; 0 = never. Set by who reads a log record. */
  expiresAtSeconds = 0;
  /** Connection number of the publisher on its gateway, for No Local; 0 = unknown. */
  publisherConnection = 0;
  /** Encoded forms shared by all receivers of this message; see publish-encoder.ts. */
  encodedV4: Buffer | undefined = undefined;
  encodedV5: Buffer | undefined = undefined;

  /** Its time is over: nobody is to get it any more. */
  hasExpired(clock: Clock): boolean {
    return this.expiresAtSeconds !== 0 && this.expiresAtSeconds * 1_000 <= clock.wallMs();
  }
}
