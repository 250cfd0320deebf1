/** npm run test:nats — strikes against three nats-servers, loadtest/nats-series.ts. */
import { runOnOwnNode } from './setup/own-node.mjs';
import { runScript } from './setup/project.mjs';

runScript(() => runOnOwnNode('loadtest/nats-series.ts'));
