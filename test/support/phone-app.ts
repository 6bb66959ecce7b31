import { phoneDestinations } from '../../lib/adapters/phone/index.js';
import { PrefixWatch } from '../../lib/confirmation/index.js';
import type {
  Delivery,
  LimitsOptions,
  PrefixLimitOptions,
  TwoFactorModuleExtras,
  TwoFactorModuleOptions,
  TwoFactorRequestInput,
} from '../../lib/index.js';
import type { EngineName } from './engines.js';
import { refusal } from './refusal.js';
import { startApp, TestInbox, type TestApp } from './test-app.js';

/** A mobile prefix of Ukraine, as the limits count it. */
export const PREFIX = '+380501';

const HOUR_SECONDS = 3_600;

/** An application that sends text messages to Ukraine and Poland. */
export interface PhoneApp extends TestApp {
  readonly sms: TestInbox;
  /** Writes and reads the counters, as every five seconds. */
  round(): Promise<void>;
  /** Asks for a code to a new number of the prefix. */
  ask(prefix: string, input?: Partial<TwoFactorRequestInput>): Promise<unknown>;
  /** A person asks for a code to a new number, and types it. */
  prove(prefix: string, input?: Partial<TwoFactorRequestInput>): Promise<boolean>;
  /** Lets this many people request a code, one after the other. */
  proveTimes(times: number, prefix: string): Promise<void>;
  askTimes(times: number, prefix: string): Promise<unknown[]>;
}

export interface PhoneAppInput {
  readonly engine: EngineName;
  readonly prefixes?: PrefixLimitOptions | false;
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  /** Another instance of the same application, on the same database. */
  readonly first?: PhoneApp | undefined;
}

let nth = 0;

/** A number of a prefix that no other call has returned. */
export function nextNumber(prefix: string): string {
  return `${prefix}${String((nth += 1)).padStart(6, '0')}`;
}

export async function startPhoneApp(input: PhoneAppInput): Promise<PhoneApp> {
  const { engine, prefixes = {}, options, first } = input;
  const sms = new TestInbox();
  // What a test shows is refused by the prefix, and by no other limit.
  const limits: LimitsOptions = { sendsInTotal: false, sendsPerPrefix: prefixes };
  const app = await startApp({
    engine,
    ...(first && { database: first.database }),
    options: {
      senders: {
        sms: {
          backend: () => sms.send,
          destinations: phoneDestinations({ countries: ['UA', 'PL'] }),
        },
      },
      defaultSender: 'sms',
      limits,
      databaseTimeoutMs: 60_000,
      ...(first && { clock: first.clock }),
      ...options,
    },
    dataSource: { poolSize: 5 },
  });
  // A new window, so that what is shown does not depend on the time of the day.
  if (!first)
    app.clock.advance(HOUR_SECONDS - (Math.floor(app.clock.now() / 1_000) % HOUR_SECONDS));
  const watch = app.app.get(PrefixWatch, { strict: false });
  const requestFor = (token: string, more: Partial<TwoFactorRequestInput> = {}) =>
    app.twoFactor.request({ token, requester: `person-${token}`, ...more });
  const ask: PhoneApp['ask'] = (prefix, more) => refusal(requestFor(nextNumber(prefix), more));
  const prove: PhoneApp['prove'] = async (prefix, more) => {
    const token = nextNumber(prefix);
    const { id } = await requestFor(token, more);
    const isTo = (delivery: Delivery): boolean => delivery.token === token;
    const [, isConfirmed] = await app.confirmer.confirm(id, sms.deliveries.find(isTo)!.code);
    return isConfirmed;
  };
  const more = {
    sms,
    round: () => watch.round(),
    ask,
    prove,
    proveTimes: async (times: number, prefix: string) => {
      for (let time = 0; time < times; time += 1) await prove(prefix);
    },
    askTimes: async (times: number, prefix: string) => {
      const outcomes: unknown[] = [];
      for (let time = 0; time < times; time += 1) outcomes.push(await ask(prefix));
      return outcomes;
    },
  };
  return Object.assign(app, more);
}

/** Ends all of them, the one that owns the database last. */
export async function closeAll(apps: readonly TestApp[]): Promise<void> {
  for (const app of apps.toReversed()) await app.close();
}
