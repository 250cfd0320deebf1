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
import { Fault } from '#base';
import { applyResources, readResources } from '../registry/apply-command.ts';
import type { ControlClient } from '../registry/control-client.ts';
import type { DeclaredResource } from '../registry/resource-file.ts';
import { writeWhole } from './data-directory.ts';

/** Clients of dev-registry.yaml; each has a certificate of its name. */
export const DEV_CLIENTS = ['thermostat', 'dashboard', 'operator'] as const;
const RESOURCES = join(import.meta.dirname, 'dev-registry.yaml');
const CA_NAME = 'development-ca';
const DEMO_NAME = 'demo';

export interface RegistrationOptions {
  readonly client: ControlClient;
  /** PEM file of the CA. */
  readonly authority: string;
  readonly registeredFile: string;
}

export class Registration {
  readonly #options: RegistrationOptions;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** Throws a Fault that says what was refused. */
  async registerDevelopment(): Promise<void> {
    const { authority, registeredFile } = this.#options;
    const encodedCertificate = readFileSync(authority, 'utf8');
    if (existsSync(registeredFile) && readFileSync(registeredFile, 'utf8') === encodedCertificate) {
      return;
    }
    const ca = declare('caCertificates', CA_NAME, { encodedCertificate });
    await this.#apply([ca, ...readResources([RESOURCES])]);
    writeWhole(registeredFile, encodedCertificate);
  }

  /** Its topic filter is all of `demo/`, so that a user's own publishes there arrive too. */
  async registerDemo(endpointUrl: string): Promise<void> {
    const spec = { topicFilters: ['demo/#'], destination: { webhook: { endpointUrl } } };
    await this.#apply([declare('eventSubscriptions', DEMO_NAME, spec)]);
  }

  async removeDemo(): Promise<void> {
    await this.#options.client.delete('eventSubscriptions', DEMO_NAME);
  }

  async #apply(resources: readonly DeclaredResource[]): Promise<void> {
    const refusals: string[] = [];
    const refuse = (line: string): void => void refusals.push(line);
    const failed = await applyResources(this.#options.client, resources, () => undefined, refuse);
    if (failed > 0) throw new Fault('WEIR_CONFIG', `control refused: ${refusals.join('; ')}`);
  }
}

function declare(
  kind: DeclaredResource['kind'],
  name: string,
  spec: Record<string, unknown>,
): DeclaredResource {
  return { kind, name, spec, placeOf: (field) => `weir dev, ${field}` };
}
