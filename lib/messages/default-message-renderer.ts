import { fill } from './fill.js';
import { htmlMail, type MailParts } from './html-mail.js';
import { lookup } from './lookup.js';
import type {
  MessageInput,
  MessageRenderer,
  MessageTexts,
  RenderedMessage,
} from './message.interface.js';

/** What the renderer of this package writes by. */
export interface MessageSettings {
  /** The texts by BCP 47 tag. */
  readonly texts: ReadonlyMap<string, MessageTexts>;
  /** The language of requests without one, and of those in a language without texts. */
  readonly language: string;
  /** The host that codes are bound to in text messages; `null` for none. */
  readonly host: string | null;
}

const MINUTE = 60;
const HOUR = 3_600;
/** What Intl puts between number and unit in some languages. The GSM alphabet has no such blank. */
const WIDE_BLANKS = /[\u00a0\u202f]/g;

/**
 * The renderer of this package, in the language of the request. Inject it to change a part of what it writes, such as the HTML.
 *
 * @example
 * ```ts
 * messageRenderer: {
 *   provide: MESSAGE_RENDERER,
 *   inject: [DefaultMessageRenderer],
 *   useFactory: (base: DefaultMessageRenderer): MessageRenderer => ({
 *     render: (input) => ({ ...base.render(input), html: undefined }),
 *   }),
 * }
 * ```
 * @publicApi
 */
export class DefaultMessageRenderer implements MessageRenderer {
  readonly #formats = new Map<string, Intl.NumberFormat>();

  /** @internal It is injected. */
  constructor(private readonly settings: MessageSettings) {}

  render(input: MessageInput): RenderedMessage {
    const { code, approves, product } = input;
    const [language, texts] = this.#textsFor(input.language);
    const purpose = Object.hasOwn(texts.purposes, input.purpose)
      ? texts.purposes[input.purpose]!
      : '';
    const values = { product, purpose, lifetime: this.#lifetime(input.expiresInSeconds, language) };
    const subject = named(product, texts.subject, values);
    const heading = fill(texts.heading, values);
    const validity = fill(texts.validity, values);
    const advice = fill(texts.advice, values);
    const words = { subject, heading, validity, advice, approval: texts.approval };
    return {
      subject,
      text: plainMail({ ...words, code, approves }),
      html: htmlMail({ ...words, language, product, code, approves }),
      sms: this.#sms(texts, { ...values, code }, approves),
    };
  }

  #textsFor(language: string | undefined): readonly [string, MessageTexts] {
    const { texts } = this.settings;
    const found = language === undefined ? undefined : lookup(language, texts);
    return found ?? lookup(this.settings.language, texts)!;
  }

  #sms(
    texts: MessageTexts,
    values: Readonly<Record<'code' | 'product', string>>,
    approves: readonly string[],
  ): string {
    const details = approves.join(', ');
    const approval = details === '' ? '' : fill(texts.smsApproval, { details });
    const sentences = named(values.product, texts.sms, { ...values, approval });
    const { host } = this.settings;
    // The last line binds the code to the host (WICG, Origin-bound one-time codes 3): a browser offers it on no other site.
    return host === null ? sentences : `${sentences}\n\n@${host} #${values.code}`;
  }

  /** Such as `10 minutes`, in whole hours from two hours on. */
  #lifetime(seconds: number, language: string): string {
    const unit = seconds < 2 * HOUR ? 'minute' : 'hour';
    const count =
      unit === 'minute' ? Math.max(1, Math.round(seconds / MINUTE)) : Math.floor(seconds / HOUR);
    const key = `${language} ${unit}`;
    let format = this.#formats.get(key);
    if (format === undefined) {
      format = new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' });
      this.#formats.set(key, format);
    }
    return format.format(count).replace(WIDE_BLANKS, ' ');
  }
}

/** The product stands before a text that has no place for it. */
function named(
  product: string,
  template: string,
  values: Readonly<Record<string, string>>,
): string {
  const text = fill(template, values);
  return product === '' || template.includes('{product}') ? text : `${product}: ${text}`;
}

type PlainParts = Omit<MailParts, 'language' | 'subject' | 'product'>;

function plainMail({ heading, code, approval, approves, validity, advice }: PlainParts): string {
  const approved =
    approves.length === 0 ? [] : [approval, ...approves.map((line) => `  ${line}`), ''];
  return [`${heading} ${code}`, '', ...approved, `${validity} ${advice}`, ''].join('\n');
}
