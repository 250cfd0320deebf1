/** What goes wrong in a history, and how big things are. */
export interface HistorySetting {
  readonly name: string;
  /** Nothing goes wrong: what is published at QoS 0 after a SUBACK must arrive, too. */
  readonly qos0IsComplete?: true;
  // Chances per message or append.
  readonly coreLoss?: number;
  readonly appendAnswerLost?: number;
  readonly appendLost?: number;
  readonly appendStalled?: number;
  /** A message between processes arrives cut, of another version, or as rubbish. */
  readonly damage?: number;
  // Chances per virtual second.
  readonly killGateway?: number;
  readonly killDispatcher?: number;
  readonly pauseDispatcher?: number;
  readonly pauseGateway?: number;
  /** The connection of one process is cut, noticed at once. */
  readonly disconnect?: number;
  /** One process is cut off from NATS for a while, without a word. */
  readonly partition?: number;
  /** A stream has no leader for a while. */
  readonly stall?: number;
  /** Orderly ends, with a successor. */
  readonly leaveGateway?: number;
  readonly leaveDispatcher?: number;
  /** One more gateway, up to GATEWAYS_MAX. */
  readonly joinGateway?: number;
  readonly outage?: number;
  /** A publisher sends some hundred messages at once. */
  readonly burst?: number;
  /** Dispatchers read session logs so much late, ms. No fault: they promise no speed. */
  readonly lateViewMs?: number;
  /** How many clean subscribers come; default 1 = two a second. */
  readonly cleanPace?: number;
  /** Share of publishes, and of devices' subscriptions, with QoS 2. */
  readonly qos2?: number;
  /** Publishes per step of 20 ms; default 3. */
  readonly publishes?: number;
  // Stored sessions.
  readonly devices?: number;
  /** How much they do; 1 = an event per second or two. */
  readonly pace?: number;
  /** Share of resumptions after which a device subscribes anew to what it has. */
  readonly resubscribes?: number;
  /** Share of devices that acknowledge after seconds and stall. */
  readonly slow?: number;
  /** Share of CONNECTs with an expiry of seconds. */
  readonly shortExpiry?: number;
  /** Only clients do something unusual: no message twice, but under its identifier and with DUP. */
  readonly storedIsExact?: true;
  // What there is, and what bounds it.
  readonly partitions?: number;
  readonly gateways?: number;
  readonly dispatchers?: number;
  readonly seconds?: number;
  /** Bytes of a usual and of a large payload. */
  readonly payloadBytes?: number;
  readonly largePayloadBytes?: number;
  /** Share of messages that expire within seconds. */
  readonly expiring?: number;
  readonly logBytesMax?: number;
  readonly tailBytes?: number;
  readonly windowBytes?: number;
  /** Sessions that a dispatcher files messages for in one turn of its loop. */
  readonly lookedPerTurn?: number;
  readonly recordMessagesMax?: number;
  readonly pendingBytesMax?: number;
}
