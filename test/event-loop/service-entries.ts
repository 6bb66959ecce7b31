import { phoneNormalizer } from '../../lib/adapters/phone/index.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { openApplication, type Application } from './application.js';
import { fresh, type Entry } from './entry.js';

const TOKEN = 'ann@example.com';

/** The methods of the four services, each argument by itself. */
export async function serviceEntries(): Promise<Entry[]> {
  const plain = await openApplication();
  const phones = await openApplication({
    limits: { normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) },
  });
  return [
    ...confirmerEntries(plain),
    ...twoFactorEntries(plain),
    ...senderEntries(plain),
    ...limitEntries(plain),
    ...phoneEntries(phones),
  ];
}

type Work = (text: string) => Promise<unknown>;

const entry =
  (service: string) =>
  (name: string, maxLength: number, work: Work, reaches = 'done'): Entry => ({
    name: `${service}.${name}`,
    maxLength,
    reaches,
    feed: async (text) => {
      await work(text);
      return 'done';
    },
  });

/** A subject that no call has had: what another call counted for it would change the way of this one. */
const subject = (): string => `user-${fresh()}`;

function confirmerEntries({ confirmer }: Application): Entry[] {
  const of = entry('ConfirmerService');
  const proof = async (): Promise<string> => {
    const { id } = await confirmer.makeConfirmation({ subject: subject(), isConfirmed: true });
    return id;
  };
  const refused = 'invalid-request';
  return [
    of('makeConfirmation: token', 320, (token) => confirmer.makeConfirmation({ token })),
    of('makeConfirmation: purpose', 64, (purpose) => confirmer.makeConfirmation({ purpose })),
    of('makeConfirmation: subject', 255, (name) => confirmer.makeConfirmation({ subject: name })),
    of('makeConfirmation: details', 4_000, (details) => confirmer.makeConfirmation({ details })),
    of('makeConfirmation: a key of details', 4_000, (key) =>
      confirmer.makeConfirmation({ details: { [key]: 1 } }),
    ),
    of(
      'makeConfirmation: details in details',
      10_000,
      (text) => confirmer.makeConfirmation({ details: text.split('').map((part) => [part]) }),
      refused,
    ),
    of('makeConfirmation: meta', 16_000, (meta) => confirmer.makeConfirmation({ meta })),
    of('makeConfirmation: context', 4_000, (text) =>
      confirmer.makeConfirmation({ context: { text } }),
    ),
    of('makeConfirmation: way', 64, (way) => confirmer.makeConfirmation({ way }), refused),
    of('makeConfirmation: key', 128, (key) =>
      confirmer.makeConfirmation({ idempotencyKey: key, subject: subject() }),
    ),
    of('check: id', 100_000, (id) => confirmer.check(id), refused),
    of('check: details', 4_000, async (details) => confirmer.check(await proof(), { details })),
    of('confirm: id', 100_000, (id) => confirmer.confirm(id, '123456'), refused),
    of('confirm: code', 128, async (code) => {
      const { id } = await confirmer.makeConfirmation({ subject: subject() });
      await confirmer.confirm(id, code);
    }),
    of('use: id', 100_000, (id) => confirmer.use(id), refused),
    of('use: purpose', 64, async (purpose) => confirmer.use(await proof(), { purpose })),
    of('use: subject', 255, async (name) => confirmer.use(await proof(), { subject: name })),
    of('use: details', 4_000, async (details) => confirmer.use(await proof(), { details })),
    of('use: key', 128, async (key) => confirmer.use(await proof(), { idempotencyKey: key })),
    of('cancel: id', 100_000, (id) => confirmer.cancel(id), refused),
    of('erase: subject', 255, (name) => confirmer.erase({ subject: name })),
  ];
}

function twoFactorEntries({ twoFactor }: Application): Entry[] {
  const of = entry('TwoFactorService');
  const request = (more: object): Promise<unknown> =>
    twoFactor.request({ token: TOKEN, subject: subject(), ...more });
  return [
    of('request: token', 320, (token) => request({ token })),
    of('request: purpose', 64, (purpose) => request({ purpose })),
    of('request: subject', 255, (name) => request({ subject: name })),
    of('request: details', 4_000, (details) => request({ details })),
    of('request: meta', 16_000, (meta) => request({ meta })),
    of('request: context', 4_000, (text) => request({ context: { text } })),
    of('request: way', 64, (way) => request({ way }), 'invalid-request'),
    of('request: key', 128, (key) => request({ idempotencyKey: key })),
    of('request: requester', 255, (requester) => request({ requester })),
    of('resend: id', 100_000, (id) => twoFactor.resend(id), 'invalid-request'),
    of('resend: token', 320, (token) => twoFactor.resend(UNKNOWN_ID, { token }), 'not-found'),
    of('resend: way', 64, (way) => twoFactor.resend(UNKNOWN_ID, { way }), 'not-found'),
    of(
      'resend: context',
      4_000,
      (text) => twoFactor.resend(UNKNOWN_ID, { context: { text } }),
      'not-found',
    ),
    of(
      'resend: requester',
      255,
      (requester) => twoFactor.resend(UNKNOWN_ID, { requester }),
      'not-found',
    ),
  ];
}

function senderEntries({ confirmer, sender }: Application): Entry[] {
  const of = entry('SenderService');
  const pending = (): Promise<unknown> => confirmer.makeConfirmation({ subject: subject() });
  const send = async (
    name: string | null,
    token: string,
    context?: { text: string },
  ): Promise<unknown> => sender.send(name, token, (await pending()) as string, context);
  return [
    of('send: name', 64, (name) => send(name, TOKEN), 'invalid-request'),
    of('send: token', 320, (token) => send(null, token)),
    of('send: context', 4_000, (text) => send(null, TOKEN, { text })),
    of('send: id', 100_000, (id) => sender.send(null, TOKEN, id), 'invalid-request'),
    of('resend: id', 100_000, (id) => sender.resend(id), 'invalid-request'),
    of('sender: name', 64, async (name) => sender.sender(name), 'invalid-request'),
  ];
}

function limitEntries({ limits }: Application): Entry[] {
  const of = entry('LimitService');
  return [
    of('reset: token', 320, (token) => limits.reset({ token })),
    of('reset: subject', 255, (name) => limits.reset({ subject: name })),
    of('failures: token', 320, (token) => limits.failures({ token })),
    of('failures: subject', 255, (name) => limits.failures({ subject: name })),
  ];
}

function phoneEntries({ twoFactor, limits }: Application): Entry[] {
  const of = entry('phoneNormalizer');
  return [
    of('request: token', 320, (token) => twoFactor.request({ token })),
    of('failures: token', 320, (token) => limits.failures({ token })),
  ];
}
