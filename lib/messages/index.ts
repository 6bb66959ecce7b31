export { DefaultMessageRenderer, type MessageSettings } from './default-message-renderer.js';
export { placeholdersOf } from './fill.js';
export { hasInvisible } from './invisible.js';
export { lookupLanguage } from './lookup.js';
export type {
  MessageInput,
  MessageRenderer,
  MessageTexts,
  PartialMessageTexts,
  RenderedMessage,
} from './message.interface.js';
export { detailLines, plainLine } from './plain-line.js';
export { smsSegments, type SmsSegments } from './sms-segments.js';
export { BUILT_IN_TEXTS } from './texts/index.js';
