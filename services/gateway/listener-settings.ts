/**
 * Settings of the listeners: where, with which certificates, and who may come.
 */
import type { SettingTable } from '#runtime';
import { WEBSOCKET_PATH } from './listener-plan.ts';

export const LISTENER_SETTINGS = [
  {
    name: 'mqttTlsHost',
    env: 'WEIR_MQTT_TLS_HOST',
    unit: '',
    type: 'text',
    default: '0.0.0.0',
    reason:
      'Address of the listeners with TLS, IPv4 or IPv6 (:: is both); all interfaces, since ' +
      'clients are elsewhere.',
  },
  {
    name: 'mqttTlsPort',
    env: 'WEIR_MQTT_TLS_PORT',
    unit: 'port',
    type: 'integer',
    range: [0, 65_535],
    default: 8883,
    reason: 'Port of MQTT over TLS; 0 takes a free one.',
  },
  {
    name: 'mqttTlsShared',
    env: 'WEIR_MQTT_TLS_SHARED',
    unit: '',
    type: 'flag',
    default: false,
    reason:
      'MQTT over WebSocket on the port of MQTT over TLS too, told apart by ALPN (http/1.1, mqtt) ' +
      'or by the first byte, so that one port 443 serves both.',
  },
  {
    name: 'mqttWssPort',
    env: 'WEIR_MQTT_WSS_PORT',
    unit: 'port',
    type: 'integer',
    range: [0, 65_535],
    default: undefined,
    reason: 'Port of MQTT over WebSocket with TLS; unset, there is none.',
  },
  {
    name: 'mqttPlainPort',
    env: 'WEIR_MQTT_PLAIN_PORT',
    unit: 'port',
    type: 'integer',
    range: [0, 65_535],
    default: undefined,
    reason:
      'Port of open, unencrypted MQTT on loopback, for development: everybody may do everything.',
  },
  {
    name: 'mqttWsPort',
    env: 'WEIR_MQTT_WS_PORT',
    unit: 'port',
    type: 'integer',
    range: [0, 65_535],
    default: undefined,
    reason: 'Port of open, unencrypted MQTT over WebSocket on loopback; the same.',
  },
  {
    name: 'mqttWsPath',
    env: 'WEIR_MQTT_WS_PATH',
    unit: '',
    type: 'text',
    range: /\/[\w.~/-]{0,200}/,
    default: WEBSOCKET_PATH,
    reason: 'Path of MQTT over WebSocket; the usual one, which clients take without being told.',
  },
  {
    name: 'mqttWsOrigins',
    env: 'WEIR_MQTT_WS_ORIGINS',
    unit: '',
    type: 'text',
    default: undefined,
    reason:
      'Origins of pages that may use WebSocket, such as https://a.example, separated by commas. ' +
      'Unset: all with TLS, where certificates decide; those of this machine on the open listener.',
  },
  {
    name: 'tlsCertFile',
    env: 'WEIR_TLS_CERT_FILE',
    unit: '',
    type: 'text',
    default: undefined,
    reason:
      'PEM file of the server certificate and its chain; without it there is no TLS listener. ' +
      'Its content, and that of the next three, is read again when it changes and on SIGHUP.',
  },
  {
    name: 'tlsKeyFile',
    env: 'WEIR_TLS_KEY_FILE',
    unit: '',
    type: 'text',
    default: undefined,
    reason: 'PEM file of the private key that belongs to the server certificate.',
  },
  {
    name: 'tlsMoreCertFiles',
    env: 'WEIR_TLS_MORE_CERT_FILES',
    unit: '',
    type: 'text',
    default: undefined,
    reason:
      'PEM files of more server certificates, separated by commas: chosen by the name that the ' +
      'client asks for (SNI); for the same names, by the algorithm that it knows (EC, RSA).',
  },
  {
    name: 'tlsMoreKeyFiles',
    env: 'WEIR_TLS_MORE_KEY_FILES',
    unit: '',
    type: 'text',
    default: undefined,
    reason: 'PEM files of their private keys, in the same order.',
  },
  {
    name: 'mqttTlsAllowedFrom',
    env: 'WEIR_MQTT_TLS_ALLOWED_FROM',
    unit: '',
    type: 'text',
    default: undefined,
    reason:
      'Addresses and ranges that may reach MQTT over TLS, such as 10.0.0.0/8,2001:db8::/32; ' +
      'unset: all.',
  },
  {
    name: 'mqttWssAllowedFrom',
    env: 'WEIR_MQTT_WSS_ALLOWED_FROM',
    unit: '',
    type: 'text',
    default: undefined,
    reason: 'The same for MQTT over WebSocket with TLS.',
  },
  {
    name: 'mqttTlsProxiesFrom',
    env: 'WEIR_MQTT_TLS_PROXIES_FROM',
    unit: '',
    type: 'text',
    default: undefined,
    reason:
      'Addresses and ranges of load balancers. If set, each connection to MQTT over TLS must ' +
      'come from one and begin with a PROXY header (version 1 or 2), which names the client.',
  },
  {
    name: 'mqttWssProxiesFrom',
    env: 'WEIR_MQTT_WSS_PROXIES_FROM',
    unit: '',
    type: 'text',
    default: undefined,
    reason: 'The same for MQTT over WebSocket with TLS.',
  },
  {
    name: 'mqttTlsConnectionCountMax',
    env: 'WEIR_MQTT_TLS_CONNECTIONS_MAX',
    unit: 'connections',
    type: 'integer',
    range: [1, 1_000_000],
    default: undefined,
    reason: 'Open connections of MQTT over TLS; unset, only WEIR_CONNECTIONS_MAX bounds them.',
  },
  {
    name: 'mqttWssConnectionCountMax',
    env: 'WEIR_MQTT_WSS_CONNECTIONS_MAX',
    unit: 'connections',
    type: 'integer',
    range: [1, 1_000_000],
    default: undefined,
    reason: 'The same for MQTT over WebSocket with TLS.',
  },
  {
    name: 'mqttPlainConnectionCountMax',
    env: 'WEIR_MQTT_PLAIN_CONNECTIONS_MAX',
    unit: 'connections',
    type: 'integer',
    range: [1, 1_000_000],
    default: undefined,
    reason: 'The same for each of the two open listeners.',
  },
] as const satisfies SettingTable;
