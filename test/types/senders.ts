/** Senders as an application declares them: what must compile, and what must not. Compiled by `npm run typecheck`, never run. */
import {
  ConfirmationState,
  defineSender,
  functionalSenderBackend,
  LoggerBackend,
  SenderBackend,
  type Delivery,
  type JsonValue,
  type SendFunction,
  type SenderBackendFactory,
  type SenderBackendFactoryInput,
  type SenderBackendReference,
  type SenderDefinition,
} from 'nestjs-two-factor';
import {
  emailBackend,
  type EmailMessage,
  type EmailOptions,
} from 'nestjs-two-factor/backends/email';

import { same } from './same.js';

// Backends ------------------------------------------------------------------------------------------------------------

export interface SmsOptions {
  readonly from: string;
  readonly retries?: number | undefined;
}

@SenderBackend('sms', { verboseName: 'Text message' })
export class SmsBackend implements SenderBackend<SmsOptions> {
  async send({ token, code, options, context, signal }: Delivery<SmsOptions>): Promise<void> {
    const locale: JsonValue | undefined = context['locale'];
    await fetch('https://sms.example', {
      method: 'POST',
      body: JSON.stringify([options.from, `${token}: ${code}`, locale]),
      signal,
    });
  }
}

@SenderBackend('plain')
class PlainBackend implements SenderBackend {
  send({ state }: Delivery): void {
    same<typeof state, ConfirmationState>(true);
  }
}

@SenderBackend('unnamed', { verboseName: undefined })
export class UnnamedBackend implements SenderBackend {
  send(): void {}
}

// @ts-expect-error a backend sends
export class Mute implements SenderBackend {
  post(): void {}
}

export class Wrong implements SenderBackend<SmsOptions> {
  // @ts-expect-error a backend takes its own options
  send(_delivery: Delivery<{ readonly topic: number }>): void {}
}

const factory: SenderBackendFactory<SmsOptions> = ({ name, options, verboseName }) => {
  same<typeof options, SmsOptions>(true);
  return ({ token }) => `${name} ${verboseName} ${options.from} ${token}`;
};
const asyncFactory =
  async (input: SenderBackendFactoryInput<SmsOptions>): Promise<SendFunction<SmsOptions>> =>
  async ({ options }) =>
    `${options.from} ${input.name}`;
const functional = functionalSenderBackend<SmsOptions>(({ options }) => options.from);
export const anyFunction = functionalSenderBackend(({ options }) =>
  same<typeof options, unknown>(true),
);
export const references: SenderBackendReference<SmsOptions>[] = [
  'sms',
  SmsBackend,
  factory,
  asyncFactory,
];

// defineSender --------------------------------------------------------------------------------------------------------

export const senders = {
  class: defineSender(SmsBackend, { options: { from: 'ACME' } }),
  full: defineSender(SmsBackend, {
    options: { from: 'ACME', retries: undefined },
    verboseName: undefined,
  }),
  factory: defineSender(factory, { options: { from: 'ACME' }, verboseName: 'Phone' }),
  asyncFactory: defineSender(asyncFactory, { options: { from: 'ACME', retries: 2 } }),
  functional: defineSender(functional, { options: { from: 'ACME' } }),
  untyped: defineSender(PlainBackend, { options: undefined }),
  email: defineSender(emailBackend, {
    options: {
      transport: 'smtp://localhost',
      from: 'a@b.example',
      product: undefined,
      compose: undefined,
    },
  }),
  named: { backend: 'sms', options: { anything: true } },
  bare: { backend: PlainBackend },
  explicit: { backend: SmsBackend, options: undefined, verboseName: undefined },
  log: { backend: LoggerBackend },
  inline: { backend: () => () => undefined },
} satisfies Record<string, SenderDefinition>;

// @ts-expect-error the option `from` is missing
defineSender(SmsBackend, { options: {} });
// @ts-expect-error the option `from` is of another type
defineSender(SmsBackend, { options: { from: 5 } });
// @ts-expect-error the options are missing
defineSender(SmsBackend, {});
// @ts-expect-error there is no option `form`
defineSender(SmsBackend, { options: { from: 'ACME', form: 'ACME' } });
// @ts-expect-error there is no option `form`
defineSender(factory, { options: { from: 'ACME', form: 'ACME' } });
// @ts-expect-error the option `from` is missing
defineSender(asyncFactory, { options: { retries: 1 } });
// @ts-expect-error the option `from` is missing
defineSender(functional, { options: {} });
// @ts-expect-error the option `from` is missing
defineSender(emailBackend, { options: { transport: 'smtp://localhost' } });
// @ts-expect-error a name has no options to be checked
defineSender('sms', { options: {} });
// @ts-expect-error an instance is no backend
export const instance: SenderDefinition = { backend: new PlainBackend() };
// @ts-expect-error a sender needs a backend
export const backendless: SenderDefinition = { verboseName: 'Nothing' };

export const message = ({ code }: Delivery<EmailOptions>): EmailMessage => ({
  subject: 'Code',
  text: code,
  html: undefined,
});
