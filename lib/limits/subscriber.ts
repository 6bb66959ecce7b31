/** A number of E.164: its country code (ITU-T E.164 lists those of one and two digits; all others have three), and the rest. */
const NUMBER = /^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})(\d{4,14})$/;

/**
 * By country code, the digits that may be dialled or left out: one phone has both numbers. Each rule removes them, from a number
 * whose leading zeros are already removed.
 */
const OPTIONAL_DIGITS: Readonly<Record<string, readonly [RegExp, string]>> = {
  // Mexico: the mobile prefixes 1, 044 and 045, until 2019.
  52: [/^(?:4[45])?1?(\d{10})$/, '$1'],
  // Argentina: 9 before a mobile number from abroad.
  54: [/^9(\d{10})$/, '$1'],
  // Brazil: the ninth digit of mobile numbers, since 2012.
  55: [/^(\d\d)9([6-9]\d{7})$/, '$1$2'],
  // San Marino: its code in the Italian plan.
  378: [/^549(\d{6})$/, '$1'],
  // Benin: 01 before all numbers, since 2024.
  229: [/^1(\d{8})$/, '$1'],
};

/** Country codes whose numbers also exist under the code of a shared numbering plan, and how to convert them to it. */
const SHARED_NUMBERING_PLANS: Readonly<
  Record<string, readonly [digits: RegExp, code: string, prefix: string]>
> = {
  // The French plan: Réunion and Mayotte, Guadeloupe, French Guiana, Martinique.
  262: [/^\d{9}$/, '33', ''],
  590: [/^\d{9}$/, '33', ''],
  594: [/^\d{9}$/, '33', ''],
  596: [/^\d{9}$/, '33', ''],
  // San Marino is 0549 of the Italian plan.
  378: [/^\d{6}$/, '39', '549'],
};

/**
 * The name under which a phone is counted. All E.164 spellings that reach one phone have one name: with and without zeros after
 * the country code, with and without an optional mobile prefix, and under each country code of a numbering plan that several
 * countries share, such as France and its overseas departments. Without it, a client could send twice as many messages to one
 * phone. Texts that are no number of E.164 stay as they are.
 *
 * It is a name, and not always a number that can be dialled: an Italian land line has lost its zero.
 */
export function canonicalPhone(text: string): string {
  const [, code, dialled] = NUMBER.exec(text) ?? [];
  if (code === undefined || dialled === undefined) return text;
  const rest = dialled.replace(/^0+/, '');
  const optional = OPTIONAL_DIGITS[code];
  const digits = optional === undefined ? rest : rest.replace(optional[0], optional[1]);
  const plan = SHARED_NUMBERING_PLANS[code];
  if (plan?.[0].test(digits) !== true) return `+${code}${digits}`;
  const [, shared, prefix] = plan;
  return `+${shared}${prefix}${digits}`;
}
