/** The forms of a text in a language, by the names of `Intl.PluralRules`. */
type Forms = Readonly<
  Partial<Record<ReturnType<Intl.PluralRules['select']>, string>> & { other: string }
>;

/** The form of a text that a language has for a number. */
export function plural(language: string, count: number, forms: Forms): string {
  return forms[new Intl.PluralRules(language).select(count)] ?? forms.other;
}
