import { fill } from './fill.js';
import { htmlMail, type MailParts } from './html-mail.js';
import { lookupLanguage } from './lookup.js';
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
/** Quotes of all languages, double and single, primes, accents that stand alone, and the signs of other alphabets that look like them. */
const QUOTES =
  /["'`\u00a8\u00ab\u00b4\u00bb\u02b9-\u02bd\u02c8\u02ca\u02cb\u02dd\u02ee\u02ef\u05f3\u05f4\u2018-\u201f\u2032-\u2037\u2039\u203a\u2057\u275b-\u2760\u276e\u276f\u2e42\u300c-\u300f\u301d-\u301f\ufe41-\ufe44\uff02\uff07\uff40\uff62\uff63]+/g;

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
    const subject = withProduct(product, texts.subject, values);
    const heading = fill(texts.heading, values);
    // The HTML has the product on a line of its own.
    const plainHeading = withProduct(product, texts.heading, values);
    const validity = fill(texts.validity, values);
    const advice = fill(texts.advice, values);
    const words = { subject, heading, validity, advice, approval: texts.approval };
    return {
      subject,
      text: plainMail({ ...words, heading: plainHeading, code, approves }),
      html: htmlMail({ ...words, language, product, code, approves }),
      sms: this.#sms(texts, { ...values, code }, approves),
    };
  }

  #textsFor(language: string | undefined): readonly [string, MessageTexts] {
    const { texts } = this.settings;
    const found = language === undefined ? undefined : lookupLanguage(language, texts);
    return found ?? lookupLanguage(this.settings.language, texts)!;
  }

  #sms(
    texts: MessageTexts,
    values: Readonly<Record<'code' | 'product', string>>,
    approves: readonly string[],
  ): string {
    const details = withoutQuotes(approves.join(', '));
    const approval = details === '' ? '' : fill(texts.smsApproval, { details });
    const sentences = withProduct(values.product, texts.sms, { ...values, approval });
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

/**
 * The details of a text message stand between quotes, which tell them from the sentences of the application. So they have no quotes of
 * their own: a payee `Bob". To cancel call 1555. "` would end the quotes and go on as a sentence. Several apostrophes look like a
 * double quote, and become one.
 */
function withoutQuotes(details: string): string {
  return details.replace(QUOTES, "'");
}

/** The product stands before a text that has no place for it. */
function withProduct(
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
