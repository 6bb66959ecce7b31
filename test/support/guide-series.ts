// The guides that grow one application: their files and commands, in the order in which a reader meets them.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The pages of the series, in order, without `docs/guides/` and `.md`. */
export const SERIES = [
  'a-small-bank',
  'verify-a-phone-number',
  'two-step-login',
  'step-up-for-a-payment',
  'authenticator-app',
  'passkeys',
  'queued-sms',
] as const;

/** A command, and the answer that the page shows below it. */
export interface Command {
  readonly line: string;
  readonly answer: string | undefined;
}

/** What a reader does: copies a file, or pastes commands. */
export type Action =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly text: string;
      /** The lines that the page marks as changed, such as `4,6-8`. */
      readonly marked: string;
    }
  | { readonly kind: 'shell'; readonly commands: readonly Command[] };

/** A numbered step with what is done in it. */
export interface Step {
  readonly title: string;
  readonly actions: readonly Action[];
}

/** A page of the series. */
export interface SeriesPage {
  readonly name: string;
  /** What stands above the first step. */
  readonly beginning: string;
  readonly steps: readonly Step[];
  /** What stands below the last step, for looking up. */
  readonly rest: string;
}

const FENCE = /^```(\w*)(?: \{([\d,-]+)\})?\n([\s\S]*?)^```$/gm;
/** Languages of which a block is a file, so that its name must stand above it. */
const FILES = new Set(['ts', 'js', 'html', 'css', 'json']);

export async function readSeriesPage(name: string): Promise<SeriesPage> {
  return seriesPageOf(name, await readFile(join(ROOT, `docs/guides/${name}.md`), 'utf8'));
}

/** @throws when a block is neither a named file nor commands, and when a text is missing above a block. */
export function seriesPageOf(name: string, page: string): SeriesPage {
  const [beginning = '', ...sections] = page.split(/^## /m);
  const isStep = (section: string): boolean => /^\d+\. /.test(section);
  return {
    name,
    beginning,
    steps: sections.filter(isStep).map(stepOf),
    rest: sections.filter((section) => !isStep(section)).join('\n'),
  };
}

function stepOf(section: string): Step {
  const title = section.slice(0, section.indexOf('\n'));
  const actions: Action[] = [];
  let end = title.length;
  for (const match of section.matchAll(FENCE)) {
    const [block, language = '', marked = '', text = ''] = match;
    const above = section.slice(end, match.index).trim();
    end = match.index + block.length;
    const path = /(?:^|\n)`([\w./-]+)`$/.exec(above)?.[1];
    if (above === '') throw new Error(`"${title}": no text stands above a block.`);
    if (language === 'sh') actions.push({ kind: 'shell', commands: commandsOf(text) });
    else if (FILES.has(language)) {
      if (path === undefined) throw new Error(`"${title}": a block of ${language} has no name.`);
      actions.push({ kind: 'file', path, text, marked });
    }
  }
  return { title, actions };
}

/** A line that begins with `#` is the answer to the line above it. */
function commandsOf(text: string): Command[] {
  const commands: { line: string; answer: string | undefined }[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const last = commands.at(-1);
    if (!line.startsWith('# ')) commands.push({ line, answer: undefined });
    else if (last === undefined || last.answer !== undefined) {
      throw new Error(`"${line}" answers no command.`);
    } else last.answer = line.slice(2);
  }
  return commands;
}

/** Whether an answer is what the page shows, where `...` stands for what differs from run to run. Ids begin with `06h08`. */
export function answers(actual: string, shown: string): boolean {
  const parts = shown.replaceAll('06h08...', '...').split('...');
  let at = 0;
  for (const [index, part] of parts.entries()) {
    const found = actual.indexOf(part, at);
    if (found === -1 || (index === 0 && found !== 0)) return false;
    at = found + part.length;
  }
  return parts.at(-1) === '' || actual.endsWith(parts.at(-1)!);
}

/** The lines of a file that were not in it before, as VitePress marks them: `4,6-8`. */
export function changedLines(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  // lengths[i][j]: how many lines old from i and now from j have in common.
  const lengths = Array.from({ length: old.length + 1 }, () => Array.from(now, () => 0).concat(0));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      lengths[i]![j] =
        old[i] === now[j]
          ? lengths[i + 1]![j + 1]! + 1
          : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  const ranges: { from: number; to: number }[] = [];
  for (let i = 0, j = 0; j < now.length;) {
    if (i < old.length && old[i] === now[j]) [i, j] = [i + 1, j + 1];
    else if (i < old.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!) i += 1;
    else {
      j += 1;
      const last = ranges.at(-1);
      if (last?.to === j - 1) last.to = j;
      else ranges.push({ from: j, to: j });
    }
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
