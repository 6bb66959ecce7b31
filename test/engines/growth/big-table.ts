import { Client } from 'pg';

import { lowestIdAt } from '../../../lib/crypto/index.js';
import { ownServers, type OwnServer } from '../../support/own-servers.js';

export const TABLE = 'two_factor_confirmation';
export const PATTERN = 'pattern';
/** Connections of each pool. */
export const POOL = 8;
/** A block shares the first characters of its ids: those of the time without its lowest 13 bits. */
const BLOCK = 1_000;
const BLOCK_MS = 2 ** 13;
const SHARED_CHARACTERS = 7;
const DAY_MS = 86_400_000;
const TIMES = ['created_at', 'expires_at', 'confirmed_at', 'use_before', 'used_at'];

/** Writes nothing to its log but what its sessions write. */
export async function launchQuietServer(): Promise<OwnServer> {
  const program = ownServers.find(({ engine }) => engine === 'postgres');
  if (program === undefined) throw new Error('The programs of PostgreSQL are missing.');
  const settings = {
    autovacuum: 'off',
    checkpoint_timeout: '1h',
    max_wal_size: '64GB',
    // Of a table that was emptied in the same transaction only what comes after it is logged.
    wal_level: 'minimal',
    max_wal_senders: '0',
    jit: 'off',
  };
  return program.launch(
    Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  );
}

export interface Filling {
  readonly rows: number;
  readonly table?: string;
  /** Ids in the order of time, as they are made; else in none. */
  readonly isOrdered?: boolean;
}

/** Remembers the row that all others are to be like, but for their ids and times. */
export async function keepPattern(url: string, id: string): Promise<void> {
  const client = new Client(url);
  await client.connect();
  await client.query(`CREATE TABLE ${PATTERN} AS SELECT * FROM ${TABLE} WHERE id = '${id}'`);
  await client.end();
}

/** Makes a table that has this many dead rows and no other rows. */
export async function fill(
  url: string,
  { rows, table = TABLE, isOrdered = true }: Filling,
): Promise<void> {
  const client = new Client(url);
  await client.connect();
  const { fields } = await client.query(`SELECT * FROM ${TABLE} LIMIT 0`);
  const changed = new Set(['id', ...TIMES]);
  const same = fields.map(({ name }) => name).filter((name) => !changed.has(name));
  const ordered = "$1::text || lpad(to_hex(n), 4, '0') || repeat('v', 24) || 'g'";
  const insert = {
    name: 'fill',
    text: `
      INSERT INTO ${table} (id, ${TIMES.join(', ')}, ${same.join(', ')})
      SELECT ${isOrdered ? ordered : 'left(md5($1 || n) || md5($1 || n), 36)'},
        $2::bigint, $2::bigint + 600000, $2::bigint + 5000, $2::bigint + 305000, $2::bigint + 6000, ${same.join(', ')}
      FROM generate_series(0, $3::int - 1) AS n, ${PATTERN}`,
  };
  const blocks = Math.ceil(rows / BLOCK);
  const from = Math.floor((Date.now() - 2 * DAY_MS) / BLOCK_MS - blocks) * BLOCK_MS;
  await client.query('BEGIN');
  await client.query(`TRUNCATE ${table}`);
  for (let at = 0; at < blocks; at += 1) {
    const time = from + at * BLOCK_MS;
    const shared = lowestIdAt(time).slice(0, SHARED_CHARACTERS);
    await client.query(insert, [shared, time, Math.min(BLOCK, rows - at * BLOCK)]);
  }
  await client.query('COMMIT');
  await client.query(`ANALYZE ${table}`);
  await client.end();
}
