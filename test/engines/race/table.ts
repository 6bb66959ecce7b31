/** What the rounds of one scenario on one cell came to, ours or a twin's. */
export interface Row {
  readonly scenario: string;
  readonly engine: string;
  readonly isolation: string;
  /** `4 x 10`: processes and the connections of each. */
  readonly processes: string;
  readonly isNaive: boolean;
  /** Why there are no rounds. */
  skipped?: string;
  rounds: number;
  /** `null` where nothing is compared. */
  allowed: number | null;
  made: number | null;
  winners: number;
  conflicts: number;
  errors: number;
  /** Rounds in which something happened that never must. */
  harmed: number;
  /** Rounds in which anything was not as promised. */
  broken: number;
  noise: number | null;
  /** Of each round: in how many processes there was a call under way at one moment. */
  readonly atOnce: number[];
  seconds: number;
  passed: boolean;
  /** What was wrong, and how often. */
  readonly faults: Map<string, number>;
}

const COLUMNS: readonly (readonly [string, (row: Row) => string | number | null])[] = [
  ['scenario', (row) => row.scenario],
  ['engine', (row) => row.engine],
  ['isolation', (row) => row.isolation],
  ['processes', (row) => row.processes],
  ['rounds', (row) => row.rounds],
  ['at once', ({ atOnce }) => (atOnce.length > 0 ? `${median(atOnce)}` : null)],
  ['allowed', (row) => row.allowed],
  ['compared', (row) => row.made],
  ['winners', (row) => row.winners],
  ['conflicts', (row) => row.conflicts],
  ['errors', (row) => row.errors],
  ['noise', (row) => row.noise],
];

/** The rows of the package and, below, those of the twins, as Markdown. */
export function tables(rows: readonly Row[]): string {
  const ours = rows.filter(({ isNaive }) => !isNaive);
  const twins = rows.filter(({ isNaive }) => isNaive);
  return [
    '### The package: no round may break a promise',
    markdown(ours, [...COLUMNS, ['rounds broken', ({ broken }) => broken], RESULT]),
    '### The naive twins: each must break one',
    markdown(twins, [...COLUMNS, ['rounds broken', ({ harmed }) => harmed], RESULT]),
  ].join('\n\n');
}

const RESULT: readonly [string, (row: Row) => string | number | null] = [
  'result',
  (row) => (row.skipped ? `left out: ${row.skipped}` : row.passed ? 'as it must' : '**WRONG**'),
];

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!;
}

function markdown(
  rows: readonly Row[],
  columns: readonly (readonly [string, (row: Row) => string | number | null])[],
): string {
  const lines = [
    columns.map(([name]) => name),
    ...rows.map((row) => columns.map(([, cell]) => String(cell(row) ?? '–'))),
  ];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  const [head, ...body] = lines.map((line) =>
    line.map((cell, index) => cell.padEnd(widths[index]!)).join(' | '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join(' | ');
  return [head, rule, ...body].map((line) => `| ${line} |`).join('\n');
}
