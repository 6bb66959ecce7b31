// Plants each fault of the table alone in a copy of the sources, and sees that its test finds it: a test that is green with the
// fault proves nothing. The commits before the repairs cannot be compiled with the tests of today, which call a newer API.
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { LISTS } from './faults.js';
import type { PlantedFault } from './planted-fault.js';
import { runTests, type TestRun } from './run-tests.js';
import { Sources } from './sources.js';

/** From `.tmp/planted/test/planted-faults`, where this runs. */
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

const { values: options } = parseArgs({
  options: {
    /** The name of a list, for its faults alone. */
    list: { type: 'string', default: '' },
    /** The number of a finding, for its faults alone. */
    finding: { type: 'string', default: '' },
    /** Words of a sentence, for the faults alone whose sentence has them. */
    sentence: { type: 'string', default: '' },
    /** How many faults are planted at the same time, each in a copy of its own. */
    'at-once': { type: 'string', default: '2' },
  },
});

const atOnce = Number(options['at-once']);

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Why a fault was not found as it must be; `null` when it was. */
function complaintOf({ test }: PlantedFault, { verdicts, output }: TestRun): string | null {
  const verdict = verdicts.find((each) => each.test === test);
  if (verdict === undefined) return `its test did not run:\n${output.slice(-2_000)}`;
  if (verdict.isGreen) return 'its test is green';
  return verdict.isAssertion ? null : `its test fails by no assertion: ${verdict.message}`;
}

const startedAt = performance.now();
const isChosen = ({ finding, sentence }: PlantedFault): boolean =>
  ['', String(finding)].includes(options.finding) && sentence.includes(options.sentence);
const lists = LISTS.filter(({ name }) => ['', name].includes(options.list)).map((list) => ({
  ...list,
  faults: list.faults.filter(isChosen),
}));
const faults = lists.flatMap((list) => list.faults);
const copies: Sources[] = [];
const complaints = new Map<PlantedFault, string | null>();
try {
  const first = await Sources.copy(ROOT);
  copies.push(first);
  const unchanged = await runTests(first.folder, faults, atOnce);
  const isGreen = ({ test }: PlantedFault): boolean =>
    unchanged.verdicts.some((verdict) => verdict.test === test && verdict.isGreen);
  for (const fault of faults.filter((each) => !isGreen(each))) {
    complaints.set(fault, 'its test is not green without the fault');
    say(`NOT GREEN ${fault.finding}: ${fault.spec} > ${fault.test}`);
  }
  if (complaints.size > 0) say(unchanged.output.slice(-4_000));

  const rest = faults.filter((fault) => !complaints.has(fault));
  const work = async (sources: Sources): Promise<void> => {
    for (let fault = rest.shift(); fault; fault = rest.shift()) {
      const plant = (): Promise<TestRun> => runTests(sources.folder, [fault]);
      const run = await sources.whilePlanted(fault, plant).catch((error: unknown) => {
        if (!(error instanceof Error)) throw error;
        return error;
      });
      const complaint = run instanceof Error ? run.message : complaintOf(fault, run);
      complaints.set(fault, complaint);
      say(`${complaint === null ? 'found    ' : 'NOT FOUND'} ${fault.finding}: ${fault.sentence}`);
      if (complaint !== null) say(`  ${complaint}`);
    }
  };
  while (copies.length < atOnce) copies.push(await Sources.copy(ROOT));
  await Promise.all(copies.map(work));
} finally {
  for (const { folder } of copies) await rm(folder, { recursive: true, force: true });
}

const failed = [...complaints.values()].filter((complaint) => complaint !== null).length;
const passed = faults.length - failed;
say('\n| finding | planted | found |\n| --- | --- | --- |');
for (const { name, findings, faults: listed } of lists) {
  for (const [index, title] of findings.entries()) {
    const own = listed.filter(({ finding }) => finding === index + 1);
    const found = own.filter((fault) => complaints.get(fault) === null);
    if (own.length > 0) say(`| ${name} ${index + 1}. ${title} | ${own.length} | ${found.length} |`);
  }
}
say(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s in all`);
say(`planted: ${passed} passed, ${failed} failed`);
if (failed > 0 || faults.length === 0) process.exitCode = 1;
