/**
 * Refuses text that is no text, while a body is parsed and before any code sees it: half a surrogate pair makes encodeURI
 * throw, which validators call, and PostgreSQL stores no NUL. Each would be a 500.
 *
 * @throws SyntaxError (over HTTP: 400)
 */
export function wellFormed(name: string, value: unknown): unknown {
  if (isText(name) && (typeof value !== 'string' || isText(value))) return value;
  throw new SyntaxError('The body has characters that are no text.');
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
