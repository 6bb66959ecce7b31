/**
 * The first of `tag` and its shorter forms that the map has (RFC 4647 3.4): `de-Latn-CH`, `de-Latn`, `de`; `undefined` for none.
 *
 * @param tag A BCP 47 tag in canonical spelling.
 */
export function lookupLanguage<T>(
  tag: string,
  by: ReadonlyMap<string, T>,
): readonly [string, T] | undefined {
  const parts = tag.split('-');
  while (parts.length > 0) {
    const name = parts.join('-');
    const found = by.get(name);
    if (found !== undefined) return [name, found];
    parts.pop();
  }
  return undefined;
}
