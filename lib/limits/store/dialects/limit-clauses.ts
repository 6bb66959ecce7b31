import { isSpent, lasts, lockEnd, type LimitTable } from './limit-dialect.js';
import { bigint, int, prefix, terms } from './postgres.dialect.js';

/**
 * Parts of PostgreSQL statements of another store, which charges budgets together with what they are charged for: no call
 * pays for what does not happen. Their values, beside `:now`, are `clauseValues`.
 *
 * A part is a list of common table expressions, for one call or for many. Each call pays all of its budgets or none. What is
 * wanted has to look like one row to the planner (see `givenRows`): for ten it would read all of a table that is still small,
 * and go on so while that grows.
 */
export interface LimitClauses {
  readonly request: {
    /** `spent` and `charged (id)`, of `wanted (id, kind, amount, allowed, ends_at)` and `given (owner)`. */
    readonly one: string;
    /**
     * `spent (call)` and `charged (id)`, of `wanted (call, id, kind, amount, allowed, ends_at, owner)`. Calls for one
     * window are charged together or not at all.
     */
    readonly many: string;
  };
  /** One failure for a wrong code, the end of all failures for a right one. */
  readonly failures: {
    /** `held`, `spent` and `charged (id, amount, ends_at)`, of `wanted (is_right, key)`; waits for the rows. */
    readonly one: string;
    /**
     * `held`, `spent (call)`, `left_out (call)` and `charged (id, amount, ends_at)`, of `wanted (call, is_right, key)`. Left
     * out is who would have to wait, and who shares a key with another call.
     */
    readonly many: string;
  };
  /** Ends the places of `done (places, owner)` that are still theirs. */
  readonly freePlaces: string;
}

/** The owner of what belongs to no confirmation in particular. */
const NO_OWNER = "'0000000000000000'";

export function limitClauses(names: LimitTable): LimitClauses {
  const { table, column: c } = names;
  const columns = `${c.id}, ${c.kind}, ${c.amount}, ${c.allowed}, ${c.endsAt}, ${c.owner}`;
  const own = terms(names, 'own', `excluded.${c.allowed}`, `excluded.${c.endsAt}`);
  const failed = (row: string): string =>
    isSpent({ ...terms(names, row, int(':permanentLockAfter'), '0'), kind: "'failures'" });
  const next = `own.${c.amount} + 1`;

  const charge = (wanted: string): string => `
    charged AS (
      INSERT INTO ${table} AS own (${columns}) ${wanted}
      ON CONFLICT (${c.id}) DO UPDATE SET
        ${c.amount} = CASE WHEN ${lasts(own)} THEN own.${c.amount} ELSE 0 END + excluded.${c.amount},
        ${c.endsAt} = CASE WHEN ${lasts(own)} THEN own.${c.endsAt} ELSE excluded.${c.endsAt} END,
        ${c.allowed} = excluded.${c.allowed}, ${c.owner} = excluded.${c.owner}
      WHERE NOT ${lasts(own)} OR own.${c.amount} + excluded.${c.amount} <= excluded.${c.allowed}
      RETURNING ${c.id} AS id)`;
  const isSeenSpent = `
    FROM wanted JOIN ${table} AS seen ON seen.${c.id} = wanted.id
    WHERE ${isSpent(terms(names, 'seen', 'wanted.allowed', 'wanted.ends_at'))}`;

  const hold = (wanted: string, locking: string): string => `
    held AS MATERIALIZED (
      SELECT held.${c.id} AS id, held.${c.amount}, held.${c.endsAt} FROM ${table} AS held
      ${wanted} ORDER BY held.${c.id} FOR UPDATE OF held ${locking})`;
  const fail = (condition: string): string => `
    charged AS (
      INSERT INTO ${table} AS own (${columns})
      SELECT key, 'failures', CASE WHEN is_right THEN 0 ELSE 1 END, ${int(':permanentLockAfter')},
        CASE WHEN is_right THEN 0 ELSE ${lockEnd('1', int, bigint)} END, ${NO_OWNER} FROM wanted
      WHERE ${condition} ORDER BY key
      ON CONFLICT (${c.id}) DO UPDATE SET
        ${c.amount} = CASE WHEN excluded.${c.amount} = 0 THEN 0 ELSE ${next} END,
        ${c.endsAt} = CASE WHEN excluded.${c.amount} = 0 THEN 0 ELSE ${lockEnd(next, int, bigint)} END,
        ${c.allowed} = excluded.${c.allowed}, ${c.owner} = excluded.${c.owner}
      WHERE NOT ${failed('own')}
      RETURNING ${c.id} AS id, ${c.amount} AS amount, ${c.endsAt} AS ends_at)`;

  return {
    request: {
      one: `
        spent AS MATERIALIZED (SELECT 1 ${isSeenSpent}),
        ${charge(`
          SELECT id, kind, amount, allowed, ends_at, owner FROM wanted, given
          WHERE amount > 0 AND NOT EXISTS (SELECT 1 FROM spent) ORDER BY id`)}`,
      many: `
        spent AS MATERIALIZED (SELECT wanted.call ${isSeenSpent}),
        ${charge(`
          SELECT id, kind, ${int('sum(amount)')}, min(allowed), max(ends_at), max(owner) FROM wanted
          WHERE amount > 0 AND call NOT IN (SELECT call FROM spent)
          GROUP BY id, kind HAVING sum(amount) <= min(allowed) ORDER BY id`)}`,
    },
    failures: {
      one: `
        ${hold(`JOIN wanted ON wanted.key = held.${c.id}`, '')},
        spent AS MATERIALIZED (SELECT 1 FROM held WHERE ${failed('held')}),
        ${fail('NOT EXISTS (SELECT 1 FROM spent)')}`,
      many: `
        ${hold(`WHERE held.${c.id} IN (SELECT key FROM wanted)`, 'SKIP LOCKED')},
        spent AS MATERIALIZED (
          SELECT call FROM wanted WHERE key = ANY (ARRAY(SELECT id FROM held WHERE ${failed('held')}))),
        left_out AS MATERIALIZED (
          SELECT call FROM (SELECT call, row_number() OVER (PARTITION BY key ORDER BY call) AS nth FROM wanted) AS ranked
          WHERE nth > 1
          UNION ALL SELECT wanted.call FROM wanted JOIN ${table} AS stored ON stored.${c.id} = wanted.key
          WHERE wanted.key NOT IN (SELECT id FROM held)),
        ${fail('call NOT IN (SELECT call FROM spent) AND call NOT IN (SELECT call FROM left_out)')}`,
    },
    freePlaces: `
      UPDATE ${table} SET ${c.endsAt} = 0, ${c.amount} = 0 WHERE ${c.id} IN (
        SELECT held.${c.id} FROM done, unnest(string_to_array(done.places, ',')) AS place, ${table} AS held
        WHERE place = place || '' AND held.${c.id} = place AND ${prefix(`held.${c.owner}`)} = done.owner
        ORDER BY held.${c.id} FOR UPDATE OF held)`,
  };
}
