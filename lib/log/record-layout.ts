/** Record layout — sizes, offsets and flags of proto/wire/record.md. */
import { KEY_BYTES } from './exactly-once-key.ts';

export const RECORD_VERSION = 1;
export const RECORD_HEADER_BYTES = 16;
/** Bytes of a message before its topic length: length, flags, expiry, publisher. */
export const MESSAGE_PREFIX_BYTES = 13;
/** Where in a message the publisher's connection number stands. */
export const MESSAGE_PUBLISHER_OFFSET = 9;

export const FLAG_QOS = 0x03;
export const FLAG_RETAIN = 0x04;
export const FLAG_LIVE_ELSEWHERE = 0x08;
/** An exactly-once key stands before the topic. */
export const FLAG_KEYED = 0x10;
export const KIND_MASK = 0xe0;
export const KIND_RELEASE = 0x20;
/** Of the record: some entry has a key or is no message. */
export const RECORD_FLAG_KEYS = 0x01;
/** A release: prefix and key. */
export const RELEASE_BYTES = MESSAGE_PREFIX_BYTES + KEY_BYTES;
