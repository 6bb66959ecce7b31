/** `10.50`: always two decimals, so that everybody sees and approves the same text. */
export const AMOUNT = /^(?:0|[1-9]\d{0,6})\.\d{2}$/;

export function toCents(amount: string): number {
  if (!AMOUNT.test(amount)) throw new RangeError(`${amount} is no amount such as 10.50.`);
  return Number(amount.replace('.', ''));
}

export function fromCents(cents: number): string {
  const digits = String(cents).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
