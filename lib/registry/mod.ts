/** lib/registry — clients, groups, topic spaces, bindings: stored in KV, seen as a directory. */
export type * from './directory.ts';
export * from './resources.ts';
export * from './limits.ts';
export { anonymousAccess, anonymousIdentity } from './anonymous.ts';
export type { EventSubscription, EventSubscriptionView } from './event-subscriptions.ts';
export { REGISTRY_STREAM, registryStreamConfig } from './names.ts';
export {
  findClusterSettings,
  LAYOUT_VERSION,
  readClusterSettings,
  SETTINGS_WAIT_MS,
  writeClusterSettings,
} from './cluster-settings.ts';
export type { ClusterSettings, SettingsOptions } from './cluster-settings.ts';
export { CHANGE_COLLECT_MS, openRegistryView } from './registry-view.ts';
export type { RegistryView, RegistryViewOptions } from './registry-view.ts';
export { TOKEN_BYTES_MAX } from './token-authenticator.ts';
export { parseRevocationList } from './revocation-list.ts';
export { ACCESS_OPERATIONS } from './access-explainer.ts';
export type { AccessExplanation, AccessOperation } from './access-explainer.ts';
export { REGISTRY_FAULTS, RegistryFault } from './registry-fault.ts';
export type { RegistryFaultCode } from './registry-fault.ts';
export { RegistryStore } from './registry-store.ts';
export type { RegistryStoreOptions, ResourcePage } from './registry-store.ts';
export type { WriteRequest } from './write-plan.ts';
export type { FieldViolation } from './spec-reader.ts';
export { isJsonObject } from './spec-reader.ts';
