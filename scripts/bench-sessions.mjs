/** npm run bench:sessions — what sessions, queues and retained messages cost, loadtest/sessions. */
import { runOnOwnNode } from './setup/own-node.mjs';
import { runScript } from './setup/project.mjs';

runScript(() => runOnOwnNode('loadtest/sessions/main.ts'));
