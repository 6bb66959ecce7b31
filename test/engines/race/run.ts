import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { format, resolveConfig } from 'prettier';

import { installAttemptTrigger } from '../../support/attempt-trigger.js';
import { openApplication, type RaceApplication } from './application.js';
import { CELLS, endServers, type Cell, type OpenCell } from './cells.js';
import { Crew } from './crew.js';
import { processesAtOnce } from './history.js';
import type { Round, Scenario } from './round.js';
import { SCENARIOS } from './scenarios.js';
import { Stage } from './stage.js';
import { type Row, tables } from './table.js';

const PROCESSES = 4;
/** From `.tmp/race/test/engines/race`, where this runs. */
const ROOT = new URL('../../../../../', import.meta.url);
const BROKEN = new URL('.tmp/race/broken.jsonl', ROOT);
const RESULTS = fileURLToPath(new URL('test/engines/race/RESULTS.md', ROOT));
const COORDINATES = ['scenario', 'engine', 'isolation', 'isNaive'] as const;
const TABLES = [
  'race_account (balance int)',
  'race_effect (confirmation varchar(36))',
  'race_inbox (confirmation varchar(36))',
  'race_budget (budget varchar(64) PRIMARY KEY, spent int)',
  'race_noise (number int)',
];

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    /** Writes RESULTS.md. */
    record: { type: 'boolean', default: false },
    /** Parts of names: only what has them is run. */
    cell: { type: 'string', default: '' },
    scenario: { type: 'string', default: '' },
    /** Without limits: another path through the store. The default is what an application gets without options. */
    'without-limits': { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const limits = !options['without-limits'];
const scenarios = SCENARIOS.filter(
  ({ name, needsLimits }) => name.includes(options.scenario) && (limits || !needsLimits),
);
const cells = CELLS.filter(({ engine, isolation }) =>
  `${engine} ${isolation}`.includes(options.cell),
);
/** Engines that must not be left out, separated by commas. */
const required = new Set((process.env['TEST_REQUIRED_ENGINES'] ?? '').split(','));

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** @returns what answered, or nothing where the cell is left out. */
async function runCell(cell: Cell, rows: Row[]): Promise<string | undefined> {
  const open = await cell.open();
  if ('skipped' in open) {
    const isWrong = !open.isMissingMode && cell.needs.some((name) => required.has(name));
    leaveOut(rows, cell, open.skipped, !isWrong);
    return undefined;
  }
  const crew = new Crew(PROCESSES);
  let director: RaceApplication | undefined;
  try {
    director = await openApplication(open.director, { limits, migrates: true });
    await installAttemptTrigger(director.dataSource);
    for (const table of TABLES) await director.dataSource.query(`CREATE TABLE ${table}`);
    await director.dataSource.query('INSERT INTO race_account (balance) VALUES (100)');
    await open.begin();
    const stage = new Stage(crew, director, open.opening.applications);
    for (const isNaive of [false, true]) {
      // The twins get applications of their own: what they leave of a connection is not what we are judged by.
      await crew.open({ ...open.opening, limits });
      for (const scenario of scenarios) {
        rows.push(await runScenario(cell, open, stage, scenario, isNaive));
      }
    }
    await crew.close();
  } finally {
    await crew.end();
    await director?.context.close();
    await open.close();
  }
  return open.version;
}

/** Rows for everything of a cell that has none. */
function leaveOut(rows: Row[], cell: Cell, skipped: string, passed: boolean): void {
  for (const scenario of scenarios) {
    for (const isNaive of [false, true]) {
      const row = emptyRow(cell, scenario, isNaive, '–');
      const isSame = (other: Row): boolean =>
        COORDINATES.every((coordinate) => other[coordinate] === row[coordinate]);
      if (!rows.some(isSame)) rows.push({ ...row, skipped, passed });
    }
  }
}

async function runScenario(
  cell: Cell,
  open: OpenCell,
  stage: Stage,
  scenario: Scenario,
  isNaive: boolean,
): Promise<Row> {
  const row = emptyRow(cell, scenario, isNaive, `${PROCESSES} x ${open.opening.applications}`);
  const noise = async (): Promise<number> =>
    (await open.noise?.((sql) => stage.director.dataSource.query(sql))) ?? 0;
  const startedAt = performance.now();
  const before = await noise();
  for (let round = 0; round < rounds; round += 1) {
    await add(row, await scenario.play(stage, isNaive, round));
  }
  row.allowed = scenario.allowed === null ? null : scenario.allowed * rounds;
  row.seconds = (performance.now() - startedAt) / 1_000;
  if (open.noise) row.noise = (await noise()) - before;
  if (row.noise === 0) row.faults.set('the noise writer wrote nothing', 1);
  // A twin that broke its promise needs no better proof.
  const haveMet = isNaive || Math.max(...row.atOnce) > 1;
  if (!haveMet) row.faults.set('the processes never met', 1);
  const isKept = isNaive ? row.harmed > 0 : row.broken === 0;
  row.passed = isKept && haveMet && row.noise !== 0;
  say(
    `${row.passed ? 'ok   ' : 'WRONG'} ${isNaive ? 'twin' : 'ours'} ${cell.engine} ${cell.isolation}: ${scenario.name} ` +
      `(${row.seconds.toFixed(1)} s, ${isNaive ? row.harmed : row.broken} of ${rounds} rounds broken)`,
  );
  return row;
}

function emptyRow(cell: Cell, scenario: Scenario, isNaive: boolean, processes: string): Row {
  return {
    scenario: scenario.name,
    engine: cell.engine,
    isolation: cell.isolation,
    processes,
    isNaive,
    rounds: 0,
    allowed: null,
    made: null,
    winners: 0,
    conflicts: 0,
    errors: 0,
    harmed: 0,
    broken: 0,
    noise: null,
    atOnce: [],
    seconds: 0,
    passed: false,
    faults: new Map(),
  };
}

async function add(row: Row, round: Round): Promise<void> {
  const { answers, comparisons, winners, harms, lapses } = round;
  const count = (kind: string): number =>
    answers.filter(({ outcome }) => outcome.kind === kind).length;
  const faults = row.isNaive ? harms : [...harms, ...lapses];
  row.rounds += 1;
  row.atOnce.push(processesAtOnce(answers));
  if (comparisons !== null) row.made = (row.made ?? 0) + comparisons;
  row.winners += winners;
  row.conflicts += count('conflict');
  row.errors += count('error');
  if (harms.length > 0) row.harmed += 1;
  if (faults.length > 0) row.broken += 1;
  for (const fault of new Set(faults)) row.faults.set(fault, (row.faults.get(fault) ?? 0) + 1);
  if (row.isNaive || faults.length === 0) return;
  const { scenario, engine, isolation } = row;
  const lines = [{ scenario, engine, isolation, faults }, ...answers];
  await appendFile(BROKEN, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
}

/** What was wrong where it must not be, the most frequent first. */
function wrongs(rows: readonly Row[]): string[] {
  return rows
    .filter(({ passed }) => !passed)
    .map(({ scenario, engine, isolation, isNaive, skipped, faults }) => {
      const what = [...faults]
        .toSorted(([, one], [, other]) => other - one)
        .slice(0, 5)
        .map(([fault, times]) => `${fault} (${times} rounds)`);
      const why = skipped ?? (what.join('; ') || 'no round broke anything');
      return `- ${isNaive ? 'twin of ' : ''}${scenario}, ${engine} ${isolation}: ${why}`;
    });
}

function machine(): string {
  const [cpu] = cpus();
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  return (
    `${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus().length} x ${cpu?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`
  );
}

const startedAt = performance.now();
const rows: Row[] = [];
const versions = new Set<string>();
await mkdir(new URL('.', BROKEN), { recursive: true });
await rm(BROKEN, { force: true });
for (const cell of cells) {
  try {
    const version = await runCell(cell, rows);
    if (version) versions.add(version);
  } catch (error) {
    leaveOut(rows, cell, `it ended with ${(error as Error).message}`, false);
  }
}
await endServers();

const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
const played = rows.filter(({ skipped, passed }) => skipped === undefined || !passed);
const failed = played.filter(({ passed }) => !passed).length;
const report = [
  '# Races between processes',
  `${machine()}. ${rounds} rounds each, ${minutes} minutes.`,
  [...versions].map((version) => `- ${version}`).join('\n'),
  tables(rows),
  wrongs(rows).join('\n'),
  `race: ${played.length - failed} passed, ${failed} failed`,
]
  .filter(Boolean)
  .join('\n\n');
say(`\n${report}`);
if (options.record) {
  const style = await resolveConfig(RESULTS);
  await writeFile(RESULTS, await format(report, { ...style, parser: 'markdown' }));
}
process.exitCode = failed > 0 || played.length === 0 ? 1 : 0;
