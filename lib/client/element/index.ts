import { TwoFactorCode, type TwoFactorCodeEvents } from './two-factor-code.element.js';

export type { CountedText, TwoFactorTexts } from './texts.js';
export { TwoFactorCode, type TwoFactorCodeEvents };

declare global {
  interface HTMLElementTagNameMap {
    'two-factor-code': TwoFactorCode;
  }
  // oxlint-disable-next-line typescript/no-empty-object-type
  interface HTMLElementEventMap extends TwoFactorCodeEvents {}
}

// Importing this module twice, or in two bundles of one page, defines the element once.
if (globalThis.customElements && !customElements.get('two-factor-code')) {
  customElements.define('two-factor-code', TwoFactorCode);
}
