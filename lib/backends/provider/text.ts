import { hasCode, writeOrSendFailure } from '../../delivery/check-message.js';
import { SendFailure, type Delivery } from '../../sender/index.js';

/** More than any provider takes as one message. */
const MAX_TEXT = 1_600;

/** How a sender of text messages gets its text. */
interface TextSource<Options> {
  readonly compose?: ((delivery: Delivery<Options>) => string | Promise<string>) | undefined;
  readonly product?: string | undefined;
}

/**
 * The text of one message: that of `compose`, or else the one of the message renderer.
 *
 * @param kind `sms` ends with the origin-bound line where the option `messages.origin` is set; `text` is for chats.
 * @throws SendFailure (`ours`) for a composed text that is none, is too long, or is without the code.
 */
export async function textOf<Options>(
  delivery: Delivery<Options>,
  { compose, product }: TextSource<Options>,
  kind: 'sms' | 'text' = 'sms',
): Promise<string> {
  if (compose === undefined) return (await delivery.render({ product }))[kind];
  const text: unknown = await writeOrSendFailure(() => compose(delivery));
  if (typeof text !== 'string' || text === '' || text.length > MAX_TEXT) {
    throw new SendFailure(
      'ours',
      `The compose of sender ${delivery.name} returned no text of 1 to ${MAX_TEXT} characters. Details may be too long for a text message.`,
    );
  }
  if (!hasCode(text, delivery.code)) {
    throw new SendFailure(
      'ours',
      `The compose of sender ${delivery.name} returned a text without the code. Write the code into it.`,
    );
  }
  return text;
}
