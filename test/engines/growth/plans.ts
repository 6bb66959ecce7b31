import type { Client } from 'pg';
import type { DataSource } from 'typeorm';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly Node[];
}

/** A prepared statement of the library, and how it reads our tables in its generic plan. */
export interface GenericPlan {
  readonly text: string;
  /** What does not go by the primary key: `Seq Scan on two_factor_confirmation`. */
  readonly detours: readonly string[];
}

/** Of all statements that the library has prepared on the connections of a pool. */
export async function genericPlans(
  dataSource: DataSource,
  poolSize: number,
): Promise<GenericPlan[]> {
  const runners = Array.from({ length: poolSize }, () => dataSource.createQueryRunner());
  const plans = new Map<string, GenericPlan>();
  try {
    const clients = (await Promise.all(runners.map((runner) => runner.connect()))) as Client[];
    for (const client of clients) {
      await client.query('SET plan_cache_mode = force_generic_plan');
      for (const plan of await plansOf(client)) plans.set(plan.text, plan);
      await client.query('RESET plan_cache_mode');
    }
  } finally {
    for (const runner of runners) await runner.release();
  }
  return [...plans.values()];
}

async function plansOf(client: Client): Promise<GenericPlan[]> {
  const keys = await client.query<{ name: string }>(
    'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisprimary',
  );
  const primary = new Set(keys.rows.map(({ name }) => name.replaceAll('"', '')));
  const prepared = await client.query<{ name: string; statement: string; parameters: number }>(
    `SELECT name, statement, coalesce(array_length(parameter_types, 1), 0) AS parameters
     FROM pg_prepared_statements WHERE name LIKE 'two\\_factor\\_%'`,
  );
  const plans: GenericPlan[] = [];
  for (const { name, statement: text, parameters } of prepared.rows) {
    const values = Array.from({ length: parameters }, () => 'NULL').join(', ');
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: Node }[] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE ${name}${parameters > 0 ? `(${values})` : ''}`,
    );
    plans.push({ text, detours: detours(rows[0]!['QUERY PLAN'][0]!.Plan, primary) });
  }
  return plans;
}

function detours(node: Node, primary: ReadonlySet<string>): string[] {
  const below = (node.Plans ?? []).flatMap((child) => detours(child, primary));
  const type = node['Node Type'];
  const index = node['Index Name'];
  const isRead = type.endsWith('Scan') && (index ?? node['Relation Name']) !== undefined;
  // What a bitmap reads is said by the index scans below it.
  if (!isRead || type === 'Bitmap Heap Scan') return below;
  const isByKey = index !== undefined && primary.has(index) && node['Index Cond'] !== undefined;
  return isByKey ? below : [`${type} on ${index ?? node['Relation Name']}`, ...below];
}
