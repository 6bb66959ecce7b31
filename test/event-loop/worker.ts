// Feeds the adversarial texts to the entries of one group, in a process of its own: a text that never comes to an end
// stops this process, and the one that started it knows by the last line which text that was.
import 'reflect-metadata';

import { writeSync } from 'node:fs';

import { TwoFactorError } from '../../lib/index.js';
import { adversarialTexts } from './adversarial-texts.js';
import type { Entry, EntryReport, Line } from './entry.js';
import { openGroup } from './groups.js';

const STDOUT = 1;
/** No text may keep the event loop longer, unless its entry allows less. */
const LIMIT_MS = 50;
/** A collection of garbage or a compilation may fall into any call; a slow text is slow each time. */
const TRIES = 5;

/** At once, not when the event loop is free again. */
function tell(line: Line): void {
  writeSync(STDOUT, `${JSON.stringify(line)}\n`);
}

interface Measured {
  readonly outcome: string;
  readonly ms: number;
}

/**
 * The CPU time of a whole call, which bounds each of its synchronous parts. Unlike the time that passes it does not count
 * what other processes of a busy machine do meanwhile.
 */
async function measure(entry: Entry, text: string): Promise<Measured> {
  const before = process.cpuUsage();
  const outcome = await outcomeOf(entry, text);
  const { user, system } = process.cpuUsage(before);
  return { outcome, ms: (user + system) / 1_000 };
}

async function outcomeOf(entry: Entry, text: string): Promise<string> {
  try {
    return await entry.feed(text);
  } catch (error) {
    if (error instanceof TwoFactorError) return error.code;
    throw new Error(`${entry.name} threw what is no error of this package`, { cause: error });
  }
}

/** The least of some tries, as long as they came to the same: another outcome may be that of a shorter way. */
async function leastOf(entry: Entry, text: string, limitMs: number): Promise<Measured> {
  const first = await measure(entry, text);
  let { ms } = first;
  for (let tries = 1; ms > limitMs && tries < TRIES; tries += 1) {
    const again = await measure(entry, text);
    if (again.outcome === first.outcome) ms = Math.min(ms, again.ms);
  }
  return { ...first, ms };
}

async function feedAll(entry: Entry): Promise<EntryReport> {
  const outcomes: Record<string, number> = {};
  const { texts = adversarialTexts(entry.maxLength), limitMs = LIMIT_MS } = entry;
  let maxMs = 0;
  for (const { name, text } of texts) {
    tell({ does: 'begin', entry: entry.name, text: name });
    const { outcome, ms } = await leastOf(entry, text, limitMs);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    maxMs = Math.max(maxMs, ms);
    if (ms > limitMs) tell({ does: 'slow', entry: entry.name, text: name, ms });
  }
  return { entry: entry.name, texts: texts.length, reaches: entry.reaches, outcomes, maxMs };
}

const entries: EntryReport[] = [];
for (const entry of await openGroup(process.argv[2] ?? '')) entries.push(await feedAll(entry));
tell({ does: 'end', entries, texts: entries.reduce((sum, { texts }) => sum + texts, 0) });
process.exit();
