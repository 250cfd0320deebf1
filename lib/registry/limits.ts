/**
 * Limits of registry resources. Event Grid's are small and per namespace; these only keep records
 * and memory sane: a record must fit a NATS message (1 MiB) many times over.
 */

/** Characters of a description. */
export const DESCRIPTION_LENGTH_MAX = 1_024;
/** Characters of a client's resource name and authentication name (event-grid §1). */
export const CLIENT_NAME_LENGTH_MAX = 128;
/** Bytes of a client's attributes as JSON. Event Grid: 4 KB. Range 1–262,144. */
export const ATTRIBUTES_BYTES_MAX = 16_384;
/** Thumbprints of one client: primary and secondary, for rotation. */
export const THUMBPRINTS_MAX = 2;
/** Templates of a topic space. Event Grid: 10. Each is matched per decision. Range 1–1,000. */
export const TOPIC_TEMPLATES_MAX = 200;
/** Characters of a template or filter. MQTT allows 65,535 bytes. */
export const TEMPLATE_LENGTH_MAX = 1_024;
/** Characters of a PEM certificate; an RSA-4096 one needs 3,000. */
export const CERTIFICATE_LENGTH_MAX = 32_768;
/** Characters of a revocation list: about 8,000 certificates; it must fit a request. */
export const REVOCATION_LIST_LENGTH_MAX = 393_216;
/** Characters of a claim `iss` or `aud`. */
export const TOKEN_ISSUER_LENGTH_MAX = 1_024;
/** Audiences of an issuer. */
export const TOKEN_AUDIENCES_MAX = 20;
/** Keys of an issuer that stand in its resource. Event Grid: 2. */
export const TOKEN_KEYS_MAX = 20;
/** Characters of a key's name. */
export const TOKEN_KID_LENGTH_MAX = 256;
/** Keys of a key set that are kept; providers have two to six. */
export const JWKS_KEYS_MAX = 50;
/** Seconds between two readings of a key set: 10 to a day, default 5 minutes. */
export const JWKS_REFRESH_SECONDS = { min: 10, max: 86_400, default: 300 } as const;
/** Topic filters of an event subscription. Range 1–1,000. */
export const TOPIC_FILTERS_MAX = 100;
/** Characters of a webhook's address. */
export const ENDPOINT_LENGTH_MAX = 2_048;
/** Attempts to deliver one event. Event Grid: 1–10 and 1–30, default 10 and 30. */
export const DELIVERY_ATTEMPTS = { min: 1, max: 1_000, default: 30 } as const;
/** Seconds until an event is given up: a minute to a week; default a day, as Event Grid's. */
export const EVENT_TTL_SECONDS = { min: 60, max: 604_800, default: 86_400 } as const;
