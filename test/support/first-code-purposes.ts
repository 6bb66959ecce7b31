import type { PurposeDefinition } from '../../lib/index.js';
import { header } from '../e2e/controller-fixtures.js';

const purpose: PurposeDefinition = {
  subject: (context) => header(context, 'x-user'),
  recipient: (context, way) =>
    way === 'sms' ? '+15555550100' : `${header(context, 'x-user')}@example.com`,
};
/** Purposes of a person who began by another method: some of them allow a code as well, and some do not. */
export const purposes = {
  login: { ...purpose, methods: ['totp', 'code', 'recovery'] },
  'by-mail': { ...purpose, methods: ['totp', 'code'], senders: ['default'] },
  strict: { ...purpose, methods: ['totp', 'recovery'] },
  homeless: { ...purpose, recipient: () => null, methods: ['totp', 'code'] },
  plain: purpose,
} satisfies Record<string, PurposeDefinition>;
