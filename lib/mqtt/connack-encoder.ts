import type { ProtocolVersion, UserProperty } from './packet.ts';

export interface ConnackProperties {
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  readonly maximumQoS?: 0 | 1;
  readonly retainAvailable?: boolean;
  readonly maximumPacketSize?: number;
  readonly assignedClientIdentifier?: string;
  readonly topicAliasMaximum?: number;
  readonly reasonString?: string;
  readonly userProperties?: readonly UserProperty[];
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
  readonly serverKeepAlive?: number;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
}

/**
 * CONNACK. `code` is of `version`'s own table (REASONS: `connack` for 3.1.1, `code` for 5.0). Reason
 * string and user properties are left out where the packet would exceed `packetBytesMax`.
 */
export function encodeConnack(
  _version: ProtocolVersion,
  _code: number,
  _sessionPresent: boolean,
  _properties?: ConnackProperties,
  _packetBytesMax?: number,
): Buffer {
  return Buffer.alloc(4);
}
