import type { CountedText, ENGLISH, TwoFactorTexts } from '../element/texts.js';

/**
 * Every text of `<two-factor-code>` in one language, as `TwoFactorCode.texts` and the property `texts` take them. A text that is left
 * out does not compile, because the page would show it in English.
 */
export interface LanguageTexts extends TwoFactorTexts {
  readonly problems: TwoFactorTexts['problems'] &
    Readonly<Record<keyof (typeof ENGLISH)['problems'], CountedText>>;
}
