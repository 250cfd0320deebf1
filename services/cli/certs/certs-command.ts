/** `weir certs` — makes a CA, server and client certificates in a directory. */
import type { Command } from 'commander';
import { CertificateStore } from './store.ts';
import type { CertificatePaths } from './store.ts';

const DEFAULT_DIRECTORY = '.weir/certs';

export function certsCommand(program: Command): void {
  const certs = program
    .command('certs')
    .description('make certificates (ECDSA P-256); what exists and is valid is left alone');
  const shared = ['-d, --dir <dir>', 'directory of the certificates', DEFAULT_DIRECTORY] as const;

  certs
    .command('ca')
    .description('make a CA: ca.pem, ca.key')
    .option(...shared)
    .option('--name <text>', 'common name', 'Weir CA')
    .action(async (options: { dir: string; name: string }) => {
      const store = new CertificateStore(options.dir);
      report(await store.ensureAuthority(options.name), store.authority);
    });

  certs
    .command('server')
    .description('make a server certificate for DNS names and IP addresses')
    .argument('<host...>', 'names and addresses; the first becomes the common name')
    .option(...shared)
    .option('--name <text>', 'name of the files', 'server')
    .action(async (hosts: string[], options: { dir: string; name: string }) => {
      const store = new CertificateStore(options.dir);
      const [first = 'localhost', ...others] = hosts;
      report(await store.ensureServer(options.name, [first, ...others]), store.paths(options.name));
    });

  certs
    .command('client')
    .description('make client certificates: NAME.pem, NAME.key')
    .argument('<name...>', "authentication names of clients; each becomes a certificate's subject")
    .option(...shared)
    .action(async (names: string[], options: { dir: string }) => {
      const store = new CertificateStore(options.dir);
      for (const name of names) report(await store.ensureClient(name), store.paths(name));
    });
}

function report(made: boolean, paths: CertificatePaths): void {
  console.log(`${made ? 'made' : 'kept'} ${paths.certificate} and ${paths.key}`);
}
