import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { Cluster, Redis } from 'ioredis';

import { freePort } from './free-port.js';

const SERVER = '/usr/bin/redis-server';
const CLIENT = '/usr/bin/redis-cli';

/** Whether this machine has the programs of Redis. */
export const hasOwnRedis = existsSync(SERVER) && existsSync(CLIENT);

const isRequired = (process.env['TEST_REQUIRED_ENGINES'] ?? '').split(',').includes('redis');
if (isRequired && !hasOwnRedis) {
  throw new Error('The programs of Redis are missing, so that no server of ours can be started.');
}

/** A Redis of ours, which a test may kill. It keeps nothing on the disk: a kill loses all of it. */
export class OwnRedis {
  #process: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly options: readonly string[],
  ) {}

  static async launch(options: readonly string[] = []): Promise<OwnRedis> {
    const folder = await mkdtemp(join(tmpdir(), 'two-factor-own-redis-'));
    const redis = new OwnRedis(await freePort(), folder, options);
    await redis.start();
    return redis;
  }

  async start(): Promise<void> {
    const port = String(this.port);
    const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', this.folder];
    this.#process = spawn(SERVER, [...args, ...this.options], { stdio: 'ignore' });
    const client = new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      retryStrategy: () => 50,
    });
    client.on('error', () => undefined);
    try {
      await client.ping();
    } finally {
      client.disconnect();
    }
  }

  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (running === null) return;
    const exit = once(running, 'exit');
    running.kill('SIGKILL');
    await exit;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A Redis Cluster of three masters. */
export interface OwnRedisCluster {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  close(): Promise<void>;
}

export async function launchRedisCluster(): Promise<OwnRedisCluster> {
  const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '60000'];
  const servers: OwnRedis[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    for (let index = 0; index < 3; index += 1) {
      // The port of the cluster's bus is 10,000 above, and must be one as well.
      const bus = ['--cluster-port', String(await freePort())];
      servers.push(await OwnRedis.launch([...options, ...bus]));
    }
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
    await promisify(execFile)(CLIENT, ['--cluster', 'create', ...addresses, '--cluster-yes']);
    const nodes = servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    await untilServing(nodes);
    return { nodes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** `redis-cli` returns before each node knows that the cluster is complete. */
async function untilServing(nodes: OwnRedisCluster['nodes']): Promise<void> {
  for (const { host, port } of nodes) {
    const node = new Redis(port, host);
    while (!(await node.cluster('INFO')).includes('cluster_state:ok')) await sleep(50);
    node.disconnect();
  }
}

/** Everything that a Redis holds: each key and its value, as one text. */
export async function dumpRedis(nodes: readonly { host: string; port: number }[]): Promise<string> {
  const parts: string[] = [];
  for (const { host, port } of nodes) {
    const client = new Redis(port, host);
    for (const key of await client.keys('*')) parts.push(key, await valueOf(client, key));
    client.disconnect();
  }
  return parts.join('\n');
}

async function valueOf(client: Redis, key: string): Promise<string> {
  const type = await client.type(key);
  switch (type) {
    case 'string':
      return (await client.get(key)) ?? '';
    case 'hash':
      return JSON.stringify(await client.hgetall(key));
    case 'list':
      return JSON.stringify(await client.lrange(key, 0, -1));
    case 'set':
      return JSON.stringify(await client.smembers(key));
    case 'zset':
      return JSON.stringify(await client.zrange(key, 0, -1));
    case 'stream':
      return JSON.stringify(await client.xrange(key, '-', '+'));
    // The key has ended meanwhile.
    case 'none':
      return '';
    default:
      throw new Error(`A value of the type ${type} was not searched.`);
  }
}

export function clusterClient(nodes: OwnRedisCluster['nodes']): Cluster {
  return new Cluster([...nodes], { redisOptions: { maxRetriesPerRequest: null } });
}
