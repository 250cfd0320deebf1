/**
 * Setup — everything that the product and its tests need on this machine, made if it is missing.
 *
 * Quick when all is there: two files are compared and nothing is started.
 */
import { ensureDependencies } from './dependencies.mjs';
import { ensureNatsServer } from './nats-server.mjs';
import { findNode } from './node.mjs';
import { logLine } from './project.mjs';

/** → {node, natsServer}: paths. Throws SetupError with one clear message. */
export async function setUp({ log = logLine } = {}) {
  await ensureDependencies({ log });
  const node = findNode();
  const natsServer = await ensureNatsServer({ log });
  return { node, natsServer };
}
