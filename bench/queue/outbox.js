import { setImmediate as tick } from 'node:timers/promises';

import { COLUMNS, newRow } from '../contenders/floor-row.js';

const CREATE = `
  CREATE TABLE outbox (confirmation varchar(36) PRIMARY KEY, due_at bigint NOT NULL, claims int NOT NULL DEFAULT 0);
  CREATE INDEX outbox_due ON outbox (due_at)`;
const INSERT = `
  INSERT INTO two_factor_confirmation (${COLUMNS})
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`;
const INSERT_BOTH = `
  WITH made AS (${INSERT} RETURNING id)
  INSERT INTO outbox (confirmation, due_at, claims) SELECT id, $13::bigint, 1 FROM made`;
const INSERT_MESSAGE = 'INSERT INTO outbox (confirmation, due_at, claims) VALUES ($1, $2, 1)';
const DELETE = 'DELETE FROM outbox WHERE confirmation = $1 AND claims = 1';
const LEASE_MS = 40_000;

/**
 * An outbox as one writes it with `pg`: the message is stored with the confirmation, on the table of the package with its MACs and
 * envelopes, as held by this process. It is sent after the commit, and its row deleted. No limit is charged.
 *
 * @param {import('pg').Pool} pool
 * @param {{ inOneStatement: boolean, concurrency: number, send: () => Promise<void> }} options
 */
export function outboxOn(pool, { inOneStatement, concurrency, send }) {
  const waiting = [];
  let sending = 0;
  const sendWaiting = async () => {
    sending += 1;
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      await send();
      await pool.query({ name: 'delete', text: DELETE, values: [id] });
    }
    sending -= 1;
  };
  const insertTogether = async ({ values, dueAt }) => {
    await pool.query({ name: 'insert-both', text: INSERT_BOTH, values: [...values, dueAt] });
  };
  const insertInTransaction = async ({ id, values, dueAt }) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query({ name: 'insert', text: INSERT, values });
      await client.query({ name: 'insert-message', text: INSERT_MESSAGE, values: [id, dueAt] });
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  };
  const insert = inOneStatement ? insertTogether : insertInTransaction;
  return {
    createTable: () => pool.query(CREATE),
    async request({ subject, token }) {
      const { made, values } = newRow({ subject, token, way: 'default' });
      await insert({ id: made.id, values, dueAt: Date.now() + LEASE_MS });
      waiting.push(made.id);
      if (sending < concurrency) void sendWaiting();
    },
    /** Waits until all messages are sent and their rows deleted. */
    async drain() {
      const isBusy = () => waiting.length > 0 || sending > 0;
      while (isBusy()) await tick();
    },
  };
}
