// The packed package in fresh applications: every supported Nest, TypeORM, Node and way to resolve modules.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { format, resolveConfig } from 'prettier';

import { ALL, COMMON_FACE, NAMED, nameOf, type Cell } from './cells.js';
import { endCommands } from './command.js';
import { nodeBinaries } from './node-binaries.js';
import { runCell, type Row, type Stage } from './run-cell.js';
import { reasonOf, tableOf } from './table.js';
import { answeringServers } from './servers.js';
import { packPackage, withoutCommonFace } from './tarball.js';

/** From `.tmp/matrix/test/matrix`, where this runs. */
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const RESULTS = join(ROOT, 'test/matrix/RESULTS.md');
const AT_ONCE = 2;

const { values: options } = parseArgs({
  options: {
    /** All that can be, instead of the eight. */
    full: { type: 'boolean', default: false },
    /** Writes RESULTS.md. */
    record: { type: 'boolean', default: false },
    /** A part of names: only what has it is run. */
    cell: { type: 'string', default: '' },
  },
});

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const start = performance.now();
const cells = (options.full ? ALL : NAMED).filter((cell) => nameOf(cell).includes(options.cell));
const folder = await mkdtemp(join(tmpdir(), 'two-factor-matrix-'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Everything fails at once then, and what is left is removed as ever.
  process.once(signal, endCommands);
}

try {
  const majors = new Set([...cells, COMMON_FACE].map(({ node }) => node));
  const binaries = await nodeBinaries(majors, join(ROOT, '.tmp/matrix-nodes'));
  const sources = join(ROOT, 'test/matrix/application');
  const stage: Stage = {
    folder,
    sources,
    tarball: await packPackage(ROOT, folder),
    servers: await answeringServers(),
  };
  const twin: Stage = {
    ...stage,
    tarball: await withoutCommonFace(stage.tarball, await mkdtemp(join(folder, 'twin-'))),
  };

  const run = (cell: Cell, on: Stage): Promise<Row> => runCell(cell, binaries.get(cell.node)!, on);
  const rows = new Map<Cell, Row>();
  let naive: Row | undefined;
  const jobs = [
    ...cells.map((cell) => async () => {
      const row = await run(cell, stage);
      rows.set(cell, row);
      say(
        `${row.fault ? 'red  ' : 'green'} ${row.seconds.toFixed(0).padStart(3)} s  ${nameOf(cell)}`,
      );
      if (row.fault) say(row.fault.slice(0, 4_000));
    }),
    async () => {
      naive = await run(COMMON_FACE, twin);
    },
  ];
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));

  const table = tableOf(cells.map((cell) => rows.get(cell)!));
  // Who cannot fail proves nothing: without its CommonJS face the package must not get through.
  const isRed = /^(?:tsc|run):/.test(naive?.fault ?? '');
  const verdict = isRed
    ? `The naive twin, ES modules alone, is red as it must be (${nameOf(COMMON_FACE)}): ${reasonOf(naive?.fault ?? '')}`
    : `The naive twin, ES modules alone, did not fail where it must (${nameOf(COMMON_FACE)}): ${reasonOf(naive?.fault ?? 'green')}`;
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  const failed = [...rows.values()].filter(({ fault }) => fault).length + (isRed ? 0 : 1);
  say(`\n${table}\n\n${verdict}\n${seconds} s in all`);
  if (options.record) await record(table, verdict, seconds);
  say(`matrix: ${cells.length + 1 - failed} passed, ${failed} failed`);
  if (failed > 0 || cells.length === 0) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

async function record(table: string, verdict: string, seconds: string): Promise<void> {
  const text = `# The full matrix

What \`npm run test:matrix:full\` found: the packed package, installed into fresh applications, compiled by their TypeScript
and run by their Node. Nest 12 in CommonJS with \`node16\` cannot be: Nest 12 is ES modules alone, which TypeScript refuses to
\`require\` under that setting. ${seconds} s.

${table}

${verdict}
`;
  await writeFile(
    RESULTS,
    await format(text, { ...(await resolveConfig(RESULTS)), filepath: RESULTS }),
  );
}
