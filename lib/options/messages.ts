import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  BUILT_IN_TEXTS,
  lookupLanguage,
  placeholdersOf,
  type MessageSettings,
  type MessageTexts,
} from '../messages/index.js';
import { isOneLine, ONE_LINE_RULE } from './one-line.js';
import { formatValue } from './settings.js';
import { expectObject, refuseUnknown, withDefault } from './validate.js';

/** The option `messages`, complete and checked. */
export interface ResolvedMessages extends MessageSettings {
  /** The empty string for none. */
  readonly product: string;
  /** Whether the application has given any of it. */
  readonly isConfigured: boolean;
}

type TextName = Exclude<keyof MessageTexts, 'purposes'>;

interface TextRule {
  /** The values that the text may name. */
  readonly may: readonly string[];
  /** The values without which the message would not say what it must. */
  readonly must: readonly string[];
}

const RULES: Readonly<Record<TextName, TextRule>> = {
  subject: { may: ['product'], must: [] },
  heading: { may: ['product', 'purpose'], must: [] },
  approval: { may: [], must: [] },
  validity: { may: ['lifetime'], must: [] },
  advice: { may: ['product'], must: [] },
  sms: {
    may: ['code', 'product', 'purpose', 'lifetime', 'approval'],
    must: ['code', 'approval'],
  },
  smsApproval: { may: ['details'], must: ['details'] },
};
const NAMES = Object.keys(RULES) as TextName[];
const MAX_PRODUCT = 40;
const MAX_TEXT = 300;
const DEFAULT_LANGUAGE = 'en';

/** @throws TwoFactorConfigurationError; the message names the text and the remedy. */
export function resolveMessages(input: unknown): ResolvedMessages {
  const messages = expectObject('Option messages', withDefault(input, {}));
  refuseUnknown('member of messages:', messages, ['product', 'origin', 'language', 'texts']);
  const product = resolveProduct(messages['product']);
  const texts = resolveTexts(messages['texts']);
  const language = messages['language'] ?? DEFAULT_LANGUAGE;
  if (typeof language !== 'string' || lookupLanguage(language, texts) === undefined) {
    throw new TwoFactorConfigurationError(
      `Option messages.language is ${formatValue(language)}. Give one of ${[...texts.keys()].join(', ')}, or its texts.`,
    );
  }
  const host = resolveHost(messages['origin']);
  const isConfigured = input !== undefined;
  return Object.freeze({ product, texts, language, host, isConfigured });
}

function resolveProduct(product: unknown): string {
  if (product === undefined) return '';
  const isText = typeof product === 'string' && product !== '' && product.length <= MAX_PRODUCT;
  if (isText && isOneLine(product)) return product;
  throw new TwoFactorConfigurationError(
    `Option messages.product is ${formatValue(product)}. Give 1 to ${MAX_PRODUCT} characters, ${ONE_LINE_RULE}.`,
  );
}

function resolveHost(origin: unknown): string | null {
  if (origin === undefined) return null;
  const url = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : null;
  // A code is bound to a host: the format has no place for a port or another protocol.
  if (url !== null && url.origin === origin && url.protocol === 'https:' && url.port === '') {
    return url.hostname;
  }
  throw new TwoFactorConfigurationError(
    `Option messages.origin is ${formatValue(origin)}. Give https:// and a host alone, such as 'https://bank.example'.`,
  );
}

function resolveTexts(input: unknown): ReadonlyMap<string, MessageTexts> {
  const texts = new Map(BUILT_IN_TEXTS);
  const given = Object.entries(expectObject('Option messages.texts', withDefault(input, {})));
  // A language before its dialects, which take from it what they leave out.
  for (const [tag, value] of given.toSorted(([a], [b]) => a.length - b.length)) {
    assertTag(tag);
    const own = expectObject(`Option messages.texts.${tag}`, value);
    refuseUnknown(`member of messages.texts.${tag}:`, own, [...NAMES, 'purposes']);
    const [, base] = lookupLanguage(tag, texts) ?? [tag, undefined];
    texts.set(tag, Object.freeze(textsOf(tag, own, base)));
    // Brazilians read what the application says in Portuguese, unless it says something else for `pt-BR`, which follows.
    for (const dialect of [...texts.keys()].filter((each) => each.startsWith(`${tag}-`))) {
      texts.set(dialect, Object.freeze(textsOf(dialect, own, texts.get(dialect))));
    }
  }
  return texts;
}

function assertTag(tag: string): void {
  if (canonicalTag(tag) === tag) return;
  throw new TwoFactorConfigurationError(
    `Option messages.texts has the language ${formatValue(tag)}. Give a BCP 47 tag such as 'nl' or 'de-CH'` +
      `${canonicalTag(tag) === null ? '' : `: here ${canonicalTag(tag)}`}.`,
  );
}

function canonicalTag(tag: string): string | null {
  try {
    return new Intl.Locale(tag).baseName;
  } catch {
    return null;
  }
}

function textsOf(
  tag: string,
  own: Readonly<Record<string, unknown>>,
  base: MessageTexts | undefined,
): MessageTexts {
  const missing = NAMES.filter((name) => (own[name] ?? base?.[name]) === undefined);
  if (missing.length > 0) {
    throw new TwoFactorConfigurationError(
      `Option messages.texts.${tag} lacks ${missing.join(', ')}, and this package has no texts in that language to take from. ` +
        'Give all of them.',
    );
  }
  const texts = Object.fromEntries(
    NAMES.map((name) => [name, checkedText(tag, name, own[name] ?? base?.[name])]),
  ) as Record<TextName, string>;
  return { ...texts, purposes: { ...base?.purposes, ...purposesOf(tag, own['purposes']) } };
}

function checkedText(tag: string, name: TextName, text: unknown): string {
  const option = `Option messages.texts.${tag}.${name}`;
  const { may, must } = RULES[name];
  assertLine(option, text);
  const used = placeholdersOf(text);
  const unknown = used.find((each) => !may.includes(each));
  if (unknown !== undefined) {
    const known = may.map((each) => `{${each}}`).join(', ') || 'no name';
    throw new TwoFactorConfigurationError(
      `${option} has {${unknown}}. It may have ${known}${unknown === 'code' ? ': lock screens show subjects, and the code stands after the heading' : ''}.`,
    );
  }
  const lacks = must.filter((each) => !used.includes(each));
  if (lacks.length === 0) return text;
  throw new TwoFactorConfigurationError(
    `${option} lacks ${lacks.map((each) => `{${each}}`).join(' and ')}, without which a person could not use the code or would not ` +
      'see what it approves. Add it.',
  );
}

function purposesOf(tag: string, input: unknown): Record<string, string> {
  const option = `Option messages.texts.${tag}.purposes`;
  const purposes = Object.entries(expectObject(option, withDefault(input, {})));
  for (const [name, text] of purposes) {
    assertLine(`${option}.${name}`, text);
    const [unknown] = placeholdersOf(text);
    if (unknown === undefined) continue;
    throw new TwoFactorConfigurationError(
      `${option}.${name} has {${unknown}}. It is put into other texts, and has no names itself. Leave it out.`,
    );
  }
  return Object.fromEntries(purposes) as Record<string, string>;
}

function assertLine(option: string, text: unknown): asserts text is string {
  const isText = typeof text === 'string' && text.trim() !== '' && text.length <= MAX_TEXT;
  if (isText && isOneLine(text)) return;
  throw new TwoFactorConfigurationError(
    `${option} is ${formatValue(text)}. Give 1 to ${MAX_TEXT} characters, ${ONE_LINE_RULE}.`,
  );
}
