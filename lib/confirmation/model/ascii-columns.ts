import type { ValueTransformer } from 'typeorm';

/**
 * Everything that is stored is ASCII, because tables and connections may be in any character set: latin1 and utf8mb3 refuse an
 * emoji, or replace it by a question mark that then stands in a message. A text that is ASCII already is stored as it is, so
 * that it takes no more room.
 */
const BEYOND_ASCII = /[\u0080-\uffff]/;
const EACH_BEYOND_ASCII = /[\u0080-\uffff]/g;

/** Begins a subject that is stored in another form, base64url of its UTF-8. A subject that begins so itself is stored so, too. */
const ENCODED = 'utf8:';
/** No subject is stored like this: it is no base64url. */
const UNMATCHABLE_SUBJECT = `${ENCODED}!`;

/** The subject as its column holds it. Different subjects have different forms. */
export function subjectInColumn(subject: string): string {
  if (!BEYOND_ASCII.test(subject) && !subject.startsWith(ENCODED)) return subject;
  // Half a surrogate pair has no UTF-8. Node would write the same replacement for all of them, and so make subjects equal.
  if (!subject.isWellFormed()) return UNMATCHABLE_SUBJECT;
  return ENCODED + Buffer.from(subject).toString('base64url');
}

/** The subject of a column. */
export function subjectFromColumn(text: string): string {
  if (!text.startsWith(ENCODED)) return text;
  return Buffer.from(text.slice(ENCODED.length), 'base64url').toString();
}

/** The same for TypeORM, which also passes what an entity leaves out and what a query does not select. */
export const subjectColumn: ValueTransformer = {
  to: (subject: unknown) => (typeof subject === 'string' ? subjectInColumn(subject) : subject),
  from: (text: unknown) => (typeof text === 'string' ? subjectFromColumn(text) : text),
};

/**
 * The same JSON as its column holds it: each character outside of ASCII is written as an escape such as `\u00e9`. JSON allows these
 * characters inside of strings alone, where an escape means the same.
 */
export function jsonInColumn(json: string | null): string | null {
  if (json === null || !BEYOND_ASCII.test(json)) return json;
  return json.replace(
    EACH_BEYOND_ASCII,
    (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
