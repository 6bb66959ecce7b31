import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { freePort } from './free-port.js';

const TRIES = 100;

/** A Redis of our own that answers nothing before it is on the disk; `null` where there is no server. */
export async function startRedis(folder) {
  const dir = join(folder, 'redis');
  mkdirSync(dir);
  const port = await freePort();
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, ...durable];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  const isMissing = await new Promise((resolve) => {
    server.once('spawn', () => resolve(false));
    server.once('error', () => resolve(true));
  });
  if (isMissing) return null;
  process.on('exit', () => server.kill());
  const url = `redis://127.0.0.1:${port}`;
  const version = await answers(url);
  return {
    version,
    url,
    pid: server.pid,
    stop: async () => {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill();
      await gone;
    },
  };
}

async function answers(url) {
  for (let attempt = 1; ; attempt += 1) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? 'unknown';
    } catch (error) {
      if (attempt === TRIES) throw error;
      await sleep(50);
    } finally {
      client.disconnect();
    }
  }
}
