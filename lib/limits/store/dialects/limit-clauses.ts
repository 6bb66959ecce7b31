import { NO_OWNER } from '../slot-owner.js';
import { isActive, isExhausted, lockEnd, type LimitTable } from './limit-dialect.js';
import { bigint, int, prefix, termsOfRow } from './postgres.dialect.js';

/**
 * Parts of PostgreSQL statements of another store, which consumes quotas in the statement that creates or verifies: a call
 * that has no effect consumes nothing. Their values, beside `:now`, are `clauseValues`.
 *
 * A part is a list of common table expressions, for one call or for a batch. Each call consumes all of its quotas or none.
 * `exhausted` are the quotas that refused it, as the statement saw them. `wanted` must look like one row to the planner (see
 * `batchRowsSql`): for ten rows it would read all of a small table, and keep that plan while the table grows.
 */
export interface LimitClauses {
  readonly request: {
    /**
     * `exhausted (id, amount, ends_at)` and `consumed (id)`, of `wanted (id, kind, amount, allowed, ends_at)` and
     * `given (owner)`.
     */
    readonly one: string;
    /**
     * `exhausted (call, id, amount, ends_at)` and `consumed (id)`, of `wanted (call, id, kind, amount, allowed, ends_at,
     * owner)`. Calls for one window consume it together or not at all.
     */
    readonly many: string;
  };
  /** One failure for a wrong code, the end of all failures for a right one. */
  readonly failures: {
    /** `held`, `exhausted` and `consumed (id, amount, ends_at)`, of `wanted (is_right, key)`; waits for the rows. */
    readonly one: string;
    /**
     * `held`, `exhausted (call, id, amount, ends_at)`, `left_out (call)` and `consumed (id, amount, ends_at)`, of
     * `wanted (call, is_right, key)`. Left out are calls that would have to wait, and calls that share a key with another.
     */
    readonly many: string;
  };
  /** Frees the slots of `done (slots, owner)` that this owner still holds. */
  readonly freeSlots: string;
}

/** The owner of rows that belong to no confirmation in particular. */
const SQL_NO_OWNER = `'${NO_OWNER}'`;

export function limitClauses(names: LimitTable): LimitClauses {
  const { table, column: c } = names;
  const columns = `${c.id}, ${c.kind}, ${c.amount}, ${c.maxAmount}, ${c.endsAt}, ${c.owner}`;
  const own = termsOfRow(names, 'own', `excluded.${c.maxAmount}`, `excluded.${c.endsAt}`);
  const failed = (row: string): string =>
    isExhausted({ ...termsOfRow(names, row, int(':permanentLockAfter'), '0'), kind: "'failures'" });
  const next = `own.${c.amount} + 1`;

  const consume = (wanted: string): string => `
    consumed AS (
      INSERT INTO ${table} AS own (${columns}) ${wanted}
      ON CONFLICT (${c.id}) DO UPDATE SET
        ${c.amount} = CASE WHEN ${isActive(own)} THEN own.${c.amount} ELSE 0 END + excluded.${c.amount},
        ${c.endsAt} = CASE WHEN ${isActive(own)} THEN own.${c.endsAt} ELSE excluded.${c.endsAt} END,
        ${c.maxAmount} = excluded.${c.maxAmount}, ${c.owner} = excluded.${c.owner}
      WHERE NOT ${isActive(own)} OR own.${c.amount} + excluded.${c.amount} <= excluded.${c.maxAmount}
      RETURNING ${c.id} AS id)`;
  const isSeenExhausted = `
    FROM wanted JOIN ${table} AS seen ON seen.${c.id} = wanted.id
    WHERE ${isExhausted(termsOfRow(names, 'seen', 'wanted.allowed', 'wanted.ends_at'))}`;

  const hold = (wanted: string, locking: string): string => `
    held AS MATERIALIZED (
      SELECT held.${c.id} AS id, held.${c.amount}, held.${c.endsAt} FROM ${table} AS held
      ${wanted} ORDER BY held.${c.id} FOR UPDATE OF held ${locking})`;
  const fail = (condition: string): string => `
    consumed AS (
      INSERT INTO ${table} AS own (${columns})
      SELECT key, 'failures', CASE WHEN is_right THEN 0 ELSE 1 END, ${int(':permanentLockAfter')},
        CASE WHEN is_right THEN 0 ELSE ${lockEnd('1', int, bigint)} END, ${SQL_NO_OWNER} FROM wanted
      WHERE ${condition} ORDER BY key
      ON CONFLICT (${c.id}) DO UPDATE SET
        ${c.amount} = CASE WHEN excluded.${c.amount} = 0 THEN 0 ELSE ${next} END,
        ${c.endsAt} = CASE WHEN excluded.${c.amount} = 0 THEN 0 ELSE ${lockEnd(next, int, bigint)} END,
        ${c.maxAmount} = excluded.${c.maxAmount}, ${c.owner} = excluded.${c.owner}
      WHERE NOT ${failed('own')}
      RETURNING ${c.id} AS id, ${c.amount} AS amount, ${c.endsAt} AS ends_at)`;

  return {
    request: {
      one: `
        exhausted AS MATERIALIZED (
          SELECT wanted.id, seen.${c.amount} AS amount, seen.${c.endsAt} AS ends_at ${isSeenExhausted}),
        ${consume(`
          SELECT id, kind, amount, allowed, ends_at, owner FROM wanted, given
          WHERE amount > 0 AND NOT EXISTS (SELECT 1 FROM exhausted) ORDER BY id`)}`,
      many: `
        exhausted AS MATERIALIZED (
          SELECT wanted.call, wanted.id, seen.${c.amount} AS amount, seen.${c.endsAt} AS ends_at ${isSeenExhausted}),
        ${consume(`
          SELECT id, kind, ${int('sum(amount)')}, min(allowed), max(ends_at), max(owner) FROM wanted
          WHERE amount > 0 AND call NOT IN (SELECT call FROM exhausted)
          GROUP BY id, kind HAVING sum(amount) <= min(allowed) ORDER BY id`)}`,
    },
    failures: {
      one: `
        ${hold(`JOIN wanted ON wanted.key = held.${c.id}`, '')},
        exhausted AS MATERIALIZED (
          SELECT id, held.${c.amount} AS amount, held.${c.endsAt} AS ends_at FROM held WHERE ${failed('held')}),
        ${fail('NOT EXISTS (SELECT 1 FROM exhausted)')}`,
      many: `
        ${hold(`WHERE held.${c.id} IN (SELECT key FROM wanted)`, 'SKIP LOCKED')},
        exhausted AS MATERIALIZED (
          SELECT call, id, held.${c.amount} AS amount, held.${c.endsAt} AS ends_at
          FROM held JOIN wanted ON key = id WHERE ${failed('held')}),
        left_out AS MATERIALIZED (
          SELECT call FROM (SELECT call, row_number() OVER (PARTITION BY key ORDER BY call) AS nth FROM wanted) AS ranked
          WHERE nth > 1
          UNION ALL SELECT wanted.call FROM wanted JOIN ${table} AS stored ON stored.${c.id} = wanted.key
          WHERE wanted.key NOT IN (SELECT id FROM held)),
        ${fail('call NOT IN (SELECT call FROM exhausted) AND call NOT IN (SELECT call FROM left_out)')}`,
    },
    freeSlots: `
      UPDATE ${table} SET ${c.endsAt} = 0, ${c.amount} = 0 WHERE ${c.id} IN (
        SELECT held.${c.id} FROM done, unnest(string_to_array(done.slots, ',')) AS slot, ${table} AS held
        WHERE slot = slot || '' AND held.${c.id} = slot AND ${prefix(`held.${c.owner}`)} = done.owner
        ORDER BY held.${c.id} FOR UPDATE OF held)`,
  };
}
