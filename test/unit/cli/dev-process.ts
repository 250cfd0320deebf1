/**
 * A stand-in for a service: `node dev-process.ts PORT MODE`. Answers /readyz, says what it does,
 * and ends like one: on SIGTERM and when its parent pipe closes.
 */
import { createServer } from 'node:http';
import { createLogger, exitWithParent, onShutdown } from '#runtime';

const [port = '0', mode = 'good'] = process.argv.slice(2);
const logger = createLogger({ name: 'stand-in' });

exitWithParent();
if (mode === 'fails') {
  logger.error('start failed', { why: 'asked to' });
  process.exit(7);
}
const server = createServer((_request, response) => {
  response.writeHead(mode === 'unready' ? 503 : 200).end('{"missing":{"bus":"starting"}}');
});
server.listen(Number(port), '127.0.0.1', () => {
  logger.info('listening', { port: Number(port) });
});
onShutdown(async (signal) => {
  logger.info('ending', { signal });
  if (mode === 'stubborn') await new Promise(() => undefined);
});
if (mode === 'stubborn') process.on('exit', () => process.kill(process.pid, 'SIGSTOP'));
