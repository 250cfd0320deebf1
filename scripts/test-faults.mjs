/** npm run test:faults — faults on the processes of a real cluster, test/faults/main.ts. */
import { runOnOwnNode } from './setup/own-node.mjs';
import { runScript } from './setup/project.mjs';

runScript(() => runOnOwnNode('test/faults/main.ts'));
