/** npm run test:kill — the long series of kills, loadtest/kill-series.ts. */
import { runOnOwnNode } from './setup/own-node.mjs';
import { runScript } from './setup/project.mjs';

runScript(() => runOnOwnNode('loadtest/kill-series.ts'));
