/** A provider's words without the code and the token that it may have echoed. */
export function strikeOut(text: string, ...secrets: readonly string[]): string {
  return secrets.reduce((struck, secret) => struck.replaceAll(secret, '***'), text);
}
