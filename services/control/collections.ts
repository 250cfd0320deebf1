/**
 * Collections of the API: which service serves which kind of resource.
 */
import type { DescMethod, DescMethodUnary, DescService } from '@bufbuild/protobuf';
import type { ResourceKind } from '#registry';
import { AccessCheckService } from './gen/weir/v1/access_checks_pb.ts';
import { CaCertificateService } from './gen/weir/v1/ca_certificates_pb.ts';
import { ClientGroupService } from './gen/weir/v1/client_groups_pb.ts';
import { ClientService } from './gen/weir/v1/clients_pb.ts';
import { EventSubscriptionService } from './gen/weir/v1/event_subscriptions_pb.ts';
import { JwtIssuerService } from './gen/weir/v1/jwt_issuers_pb.ts';
import { NamespaceSettingsService } from './gen/weir/v1/namespace_settings_pb.ts';
import { PermissionBindingService } from './gen/weir/v1/permission_bindings_pb.ts';
import { RevocationListService } from './gen/weir/v1/revocation_lists_pb.ts';
import { SessionService } from './gen/weir/v1/sessions_pb.ts';
import { TopicSpaceService } from './gen/weir/v1/topic_spaces_pb.ts';

export interface Collection {
  /** Access checks are only made, never kept; sessions are kept by the dispatchers. */
  readonly kind: ResourceKind | 'accessChecks' | 'sessions';
  /** JSON name of the resource's field in requests. */
  readonly one: string;
  readonly service: DescService;
}

export const COLLECTIONS: readonly Collection[] = [
  {
    kind: 'namespaceSettings',
    one: 'namespaceSettings',
    service: NamespaceSettingsService,
  },
  { kind: 'clients', one: 'client', service: ClientService },
  { kind: 'caCertificates', one: 'caCertificate', service: CaCertificateService },
  { kind: 'revocationLists', one: 'revocationList', service: RevocationListService },
  { kind: 'jwtIssuers', one: 'jwtIssuer', service: JwtIssuerService },
  { kind: 'clientGroups', one: 'clientGroup', service: ClientGroupService },
  { kind: 'topicSpaces', one: 'topicSpace', service: TopicSpaceService },
  { kind: 'permissionBindings', one: 'permissionBinding', service: PermissionBindingService },
  { kind: 'eventSubscriptions', one: 'eventSubscription', service: EventSubscriptionService },
];

export const ACCESS_CHECKS: Collection = {
  kind: 'accessChecks',
  one: 'accessCheck',
  service: AccessCheckService,
};

export const SESSIONS: Collection = { kind: 'sessions', one: 'session', service: SessionService };

/** Everything that the API serves. */
export const SERVED: readonly Collection[] = [...COLLECTIONS, ACCESS_CHECKS, SESSIONS];

export const ACTIONS = ['create', 'get', 'list', 'update', 'delete', 'disconnect'] as const;
export type Action = (typeof ACTIONS)[number];

/** The methods of a service with what they do, which their names say: `CreateClient`. */
export function methodsOf(service: DescService): [Action, DescMethodUnary][] {
  return service.methods.filter(isUnary).flatMap((method): [Action, DescMethodUnary][] => {
    const action = ACTIONS.find((word) => method.name.toLowerCase().startsWith(word));
    return action === undefined ? [] : [[action, method]];
  });
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}
