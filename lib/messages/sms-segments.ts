/** How a text message is sent: its alphabet, and the number of messages that a provider charges for. */
export interface SmsSegments {
  readonly alphabet: 'GSM-7' | 'UCS-2';
  readonly segments: number;
}

/** The default alphabet of GSM 03.38 (3GPP TS 23.038 6.2.1) by septet, without the escape to its extension. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Its extension (3GPP TS 23.038 6.2.1.1): an escape and another septet each. */
const EXTENSION = new Set('\f^{}\\[~]|€');

/** The most units of a message alone, and of each segment of a longer one, whose header takes 6 octets (3GPP TS 23.040 9.2.3.24.1). */
const SEPTETS = { alone: 160, each: 153 };
const CODE_UNITS = { alone: 70, each: 67 };

/**
 * Counts the segments of a text message. One character outside of the GSM alphabet makes the whole message UCS-2, with 70 instead
 * of 160 characters in one segment. No character is split between two segments.
 *
 * @example
 * ```ts
 * smsSegments('042317 is your code.'); // { alphabet: 'GSM-7', segments: 1 }
 * ```
 * @publicApi
 */
export function smsSegments(text: string): SmsSegments {
  const characters = Array.from(text);
  const isGsm = characters.every((each) => BASIC.has(each) || EXTENSION.has(each));
  const sizes = characters.map((each) => {
    if (!isGsm) return each.length;
    return BASIC.has(each) ? 1 : 2;
  });
  const { alone, each } = isGsm ? SEPTETS : CODE_UNITS;
  return { alphabet: isGsm ? 'GSM-7' : 'UCS-2', segments: segmentsOf(sizes, alone, each) };
}

function segmentsOf(sizes: readonly number[], alone: number, each: number): number {
  if (sizes.reduce((sum, size) => sum + size, 0) <= alone) return 1;
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > each) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return segments;
}
