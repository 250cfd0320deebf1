/**
 * Registration — what a development cluster knows from its first start: the CA, three clients,
 * client groups, topic spaces and permission bindings; with the demo, its event subscription.
 *
 * Way:  the control API, as a user would.
 * Once: a file remembers the CA that was registered, so that later starts change nothing that the
 *       user has changed since (a disabled client stays disabled). A new CA registers all again.
 * Demo: its event subscription is written at each start, since the port may differ, and removed by
 *       a start without demo: nobody would take its events.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { Fault } from '#base';
import { writeWhole } from './data-directory.ts';

/** Clients of dev-registry.yaml; each has a certificate of its name. */
export const DEV_CLIENTS = ['thermostat', 'dashboard', 'operator'] as const;
const RESOURCES = join(import.meta.dirname, 'dev-registry.yaml');
const CA_NAME = 'development-ca';
const DEMO_NAME = 'demo';

export interface RegistrationOptions {
  readonly apiUrl: string;
  /** PEM file of the CA. */
  readonly authority: string;
  readonly registeredFile: string;
}

interface DevResource {
  readonly kind: string;
  readonly name: string;
}

const COLLECTIONS: Readonly<Record<string, string>> = {
  CaCertificate: 'caCertificates',
  Client: 'clients',
  ClientGroup: 'clientGroups',
  TopicSpace: 'topicSpaces',
  PermissionBinding: 'permissionBindings',
  EventSubscription: 'eventSubscriptions',
};

export class Registration {
  readonly #options: RegistrationOptions;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  async registerDevelopment(): Promise<void> {
    const { authority, registeredFile } = this.#options;
    const encodedCertificate = readFileSync(authority, 'utf8');
    if (existsSync(registeredFile) && readFileSync(registeredFile, 'utf8') === encodedCertificate) {
      return;
    }
    await this.#apply({ kind: 'CaCertificate', name: CA_NAME, encodedCertificate });
    for (const resource of readResources()) await this.#apply(resource);
    writeWhole(registeredFile, encodedCertificate);
  }

  /** Its topic filter is all of `demo/`, so that a user's own publishes there arrive too. */
  async registerDemo(endpointUrl: string): Promise<void> {
    const destination = { webhook: { endpointUrl } };
    const topicFilters = ['demo/#'];
    await this.#apply({ kind: 'EventSubscription', name: DEMO_NAME, topicFilters, destination });
  }

  async removeDemo(): Promise<void> {
    const answer = await this.#call('DELETE', `eventSubscriptions/${DEMO_NAME}`, undefined);
    if (answer !== 404) requireSuccess(answer, DEMO_NAME);
  }

  async #apply<Body extends DevResource>({ kind, ...body }: Body): Promise<void> {
    const collection = COLLECTIONS[kind] ?? kind;
    const created = await this.#call('POST', collection, body);
    if (created !== 409) return requireSuccess(created, body.name);
    const updated = await this.#call('PUT', `${collection}/${body.name}`, body);
    return requireSuccess(updated, body.name);
  }

  async #call(method: string, path: string, body: object | undefined): Promise<number | string> {
    const response = await fetch(`${this.#options.apiUrl}/v1/namespaces/default/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return response.ok || [404, 409].includes(response.status) ? response.status : text;
  }
}

function readResources(): DevResource[] {
  return parseAllDocuments(readFileSync(RESOURCES, 'utf8')).map((document) => document.toJS());
}

function requireSuccess(answer: number | string, name: string): void {
  if (typeof answer === 'number' && answer < 300) return;
  throw new Fault('WEIR_CONFIG', `control refused ${name}: ${answer}`);
}
