/** npm run bench — Weir against Mosquitto, loadtest/bench/main.ts. */
import { runOnOwnNode } from './setup/own-node.mjs';
import { runScript } from './setup/project.mjs';

runScript(() => runOnOwnNode('loadtest/bench/main.ts'));
