/** What a renderer makes a message of. No member has a line break, a control character or a direction mark. */
export interface MessageInput {
  /** The clear code. */
  readonly code: string;
  /** The purpose of the confirmation; the empty string for none. */
  readonly purpose: string;
  /**
   * What the code approves, one line each: the result of the function `detailsText` of the purpose, or lines such as
   * `Amount: 10.00`. Empty when there is nothing to show.
   */
  readonly approves: readonly string[];
  /** The language of the request, a BCP 47 tag such as `de-CH`, whatever a client sent; `undefined` for none. */
  readonly language: string | undefined;
  /** Whole seconds until the code expires. */
  readonly expiresInSeconds: number;
  /** The name of the product: that of the sender, else `messages.product`; the empty string for none. */
  readonly product: string;
  /** The sender's name. */
  readonly way: string;
}

/** One message in all the forms that senders use. Each form but the subject has the code. */
export interface RenderedMessage {
  /** The subject of a mail, one line. It never has the code, because lock screens show it. */
  readonly subject: string;
  /** The mail as plain text. */
  readonly text: string;
  /** The mail as HTML. */
  readonly html?: string | undefined;
  /** The text message. */
  readonly sms: string;
}

/**
 * Writes the messages, under the token `MESSAGE_RENDERER`. It is a singleton, because a message may be written outside of a request.
 *
 * @publicApi
 */
export interface MessageRenderer {
  /** @throws anything when the message cannot be written. Nothing is sent then. */
  render(input: MessageInput): RenderedMessage | Promise<RenderedMessage>;
}

/**
 * The texts of one language. Each is one line. A name in braces is replaced by its value; where there is no value, the blank before
 * it goes, too: `Your {product} code` is `Your code` without a product.
 *
 * @publicApi
 */
export interface MessageTexts {
  /** The subject of a mail: `{product}`. */
  readonly subject: string;
  /**
   * The words before the code in a mail: `{product}`, `{purpose}`. Without `{product}` a mail in plain text has the product before them.
   * One in HTML has it on a line of its own in any case.
   */
  readonly heading: string;
  /** The words before what the code approves, in a mail. */
  readonly approval: string;
  /** How long the code is valid, in a mail: `{lifetime}`. */
  readonly validity: string;
  /** The last sentence of a mail: not to share the code. `{product}`. */
  readonly advice: string;
  /**
   * A text message: `{code}` and `{approval}`, and `{product}`, `{purpose}`, `{lifetime}`. `{approval}` comes last, because a sentence
   * such as `It is valid for 10 minutes.` after it would be about the payee.
   */
  readonly sms: string;
  /** What a text message has in the place of `{approval}`, if there is something to approve: `{details}`. */
  readonly smsApproval: string;
  /** What codes are for, by the name of the purpose, in the place of `{purpose}`: `{ login: 'to sign in' }`. */
  readonly purposes: Readonly<Record<string, string>>;
}

/** The texts of one language of which some are left out. */
export type PartialMessageTexts = {
  readonly [Name in keyof MessageTexts]?: MessageTexts[Name] | undefined;
};
