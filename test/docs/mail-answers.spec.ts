// The tables of the page are those that `test/e2e/email-answers.spec.ts` tries on a real connection.
import { expect, it } from 'vitest';

import { SMTP_ANSWERS } from '../support/smtp-answers.js';
import { SEEN } from '../support/smtp-faults.js';
import { readPage } from '../support/snippets.js';
import { cellsOf } from '../support/tables.js';

const { text } = await readPage('docs/reference/mail-answers.md');
const [faults = '', answers = ''] = text.split('## The answers');

/** The command as the page names it. */
const COMMANDS = {
  GREETING: 'greeting',
  AUTH: 'AUTH',
  MAIL: 'MAIL',
  RCPT: 'RCPT',
  DATA: 'DATA',
  END: 'end of DATA',
};

/** An answer on one line, without the links and the names of hosts in it. */
function onOneLine(answer: string): string {
  return answer
    .split('\r\n')
    .map((line, index) => (index === 0 ? line : line.replace(/^\d{3}[- ]\d\.\d+\.\d+ +/, '')))
    .join(' ')
    .replaceAll(/https?:\/\/\S+|\[\S*outlook\.com\]/g, '...');
}

it('docs/reference/mail-answers.md names each fault, the error that the caller gets, and the words of the log', () => {
  const rows = cellsOf(faults).slice(2);
  expect(rows.map(([fault]) => fault)).toEqual(Object.keys(SEEN));
  for (const [fault, error, log = ''] of rows) {
    const seen = SEEN[fault as keyof typeof SEEN];
    expect(error).toBe(seen.type.name);
    expect(log.replace('<name>', 'default').startsWith(seen.log.trim().slice(0, 80))).toBe(true);
  }
});

it('docs/reference/mail-answers.md has each answer that is tested, with its fault and where it is published', () => {
  const rows = cellsOf(answers).slice(2);
  expect(rows).toEqual(
    SMTP_ANSWERS.map(([server, step, answer, fault, source]) => [
      server,
      COMMANDS[step],
      onOneLine(answer),
      fault,
      source === null ? 'logs' : `[page](${source})`,
    ]),
  );
});
