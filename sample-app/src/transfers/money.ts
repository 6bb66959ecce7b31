/** `10.50`: more than nothing, and always two decimals, so that the customer sees and approves one text. */
export const AMOUNT = /^(?!0\.00$)(?:0|[1-9]\d{0,6})\.\d{2}$/;

export function toCents(amount: string): number {
  if (!AMOUNT.test(amount)) throw new RangeError('An amount looks like 10.50.');
  return Number(amount.replace('.', ''));
}

export function fromCents(cents: number): string {
  const digits = String(cents).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
