/** Counters of one dispatcher process over all partitions it ever owned; read at scrape time. */
export class DispatchCounters {
  /** Log records read. */
  records = 0;
  /** Messages in them. */
  messages = 0;
  /** Messages of QoS 2 left out, for they were dispatched before. */
  repeats = 0;
  /** Messages filed for stored sessions, one per session; and those that have left the queues. */
  entriesFiled = 0;
  entriesConsumed = 0;
  /** Entries dropped as `queue_full`. */
  queueFull = 0;
  /** Copies put into frames, one per gateway that wants the message. */
  framed = 0;
  /** Requests for ranges that were lost on the way. */
  resends = 0;
  retainedStored = 0;
  retainedExpired = 0;
  retainedRefused = 0;
  /** Messages of shared subscriptions, one per group; of these: filed, and given to another. */
  groupMessages = 0;
  groupFiled = 0;
  groupRedelivered = 0;
  /** Dropped as `queue_full`, and as `message_expired`. */
  groupQueueFull = 0;
  groupExpired = 0;
  takeOvers = 0;
  gatewaysEnded = 0;
  /** Records of which some messages could not be read. */
  recordsDamaged = 0;
  /** Messages that no frame can carry, dropped as `message_exceeds_bus_maximum`. */
  oversized = 0;
  /** Requests of gateways that could not be read. */
  requestsDamaged = 0;
}
