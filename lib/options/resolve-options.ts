import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  assertName,
  expectFunction,
  expectInteger,
  withDefault,
  expectObject,
  refuseUnknown,
} from './validate.js';
import { DEFAULTS } from './defaults.js';
import { assertDestinations } from './destinations.js';
import { isDevelopment, NOT_DEVELOPMENT } from './development.js';
import { resolveLimits } from './limits.js';
import { resolveMessages } from './messages.js';
import { isOneLine, ONE_LINE_RULE } from './one-line.js';
import { resolveMethods } from './methods.js';
import { resolvePurposes } from './purposes.js';
import type { ResolvedOptions } from './resolved-options.interface.js';
import { resolveSecrets } from './secrets.js';
import { resolveTestRecipients } from './test-recipients.js';
import { isInteger, readSetting, SETTINGS, formatValue } from './settings.js';
import { unknownVariables } from './unknown-variables.js';
import type {
  PurposeDefinition,
  SenderEntry,
  TwoFactorOptions,
} from './two-factor-options.interface.js';

type Settings = typeof SETTINGS;

const OPTION_NAMES = Object.keys(SETTINGS).concat([
  'secret',
  'secrets',
  'senders',
  'codeGenerator',
  'messages',
  'methods',
  'purposes',
  'testRecipients',
  'allowTestRecipientsInProduction',
  'cooldownSeconds',
  'autoPurge',
  'worker',
  'limits',
  'clock',
  'env',
]);

/** Larger batches are not faster, and every call of a batch waits for all of it. */
const DEFAULT_BATCH_SIZE = 128;

/** The most calls that one statement executes; 1 when batching is off. */
export function maxBatchSize({ batching }: Pick<ResolvedOptions, 'batching'>): number {
  if (typeof batching === 'object') return batching.maxSize;
  return batching ? DEFAULT_BATCH_SIZE : 1;
}

/**
 * Merges options, environment and defaults, validates them, and freezes the result. It reads the environment from its argument
 * only.
 *
 * @throws TwoFactorConfigurationError; the message names the option, its value and the remedy.
 */
export function resolveOptions(
  input: unknown,
  processEnvironment: NodeJS.ProcessEnv,
): ResolvedOptions {
  const options = expectObject('The options of TwoFactorModule', input) as TwoFactorOptions;
  refuseUnknown('option', options, OPTION_NAMES);
  const env = withDefault(options.env, true);
  if (typeof env !== 'boolean') {
    throw new TwoFactorConfigurationError(`Option env is ${formatValue(env)}. Give true or false.`);
  }
  const environment = env ? processEnvironment : {};
  const developmentFeatures = isDevelopment(processEnvironment);
  const read = <K extends keyof Settings>(name: K): Settings[K]['default'] =>
    readSetting<Settings[K]['default']>(SETTINGS[name], options[name], environment);

  const application = read('application');
  const debugCodeResponse = read('debugCodeResponse');
  if (debugCodeResponse && !developmentFeatures) {
    throw new TwoFactorConfigurationError(
      `Option debugCodeResponse is true, and ${NOT_DEVELOPMENT}, so that anybody could read ` +
        'the codes: remove the option (or TWO_FACTOR_DEBUG_CODE_RESPONSE).',
    );
  }

  const methods = resolveMethods(options.methods);
  const purposes = resolvePurposes(options.purposes, methods);
  const ttlSeconds = read('ttlSeconds');
  const clock = resolveClock(options.clock);
  const senders = resolveSenders(options.senders);
  const surroundings = {
    longestTtlSeconds: longestTtl(ttlSeconds, purposes),
    hasBoundPurpose: [...purposes.values()].some(
      ({ subject, recipient }) => subject !== undefined && recipient !== 'client',
    ),
    hasDestinations: [...senders.values()].some(({ destinations }) => destinations !== undefined),
  };

  return Object.freeze<ResolvedOptions>({
    ...resolveSecrets(options, environment, developmentFeatures, application),
    unknownVariables: unknownVariables(environment),
    application,
    senders,
    defaultSender: read('defaultSender'),
    codeGenerator: expectFunction('codeGenerator', options.codeGenerator, DEFAULTS.codeGenerator),
    debugCodeResponse,
    messages: resolveMessages(options.messages),
    methods,
    purposes,
    testRecipients: resolveTestRecipients(
      options.testRecipients,
      options.allowTestRecipientsInProduction,
      { now: clock.now(), isDevelopment: developmentFeatures },
    ),
    ttlSeconds,
    useWithinSeconds: read('useWithinSeconds'),
    maxAttempts: read('maxAttempts'),
    maxSends: read('maxSends'),
    cooldownSeconds: resolveCooldown(options.cooldownSeconds),
    resend: read('resend'),
    autoPurge: resolveAutoPurge(options.autoPurge),
    limits: resolveLimits(options.limits, surroundings),
    databaseTimeoutMs: read('databaseTimeoutMs'),
    sendTimeoutMs: read('sendTimeoutMs'),
    delivery: read('delivery'),
    worker: resolveWorker(options.worker),
    preparedStatements: read('preparedStatements'),
    batching: read('batching'),
    clock,
    developmentFeatures,
  });
}

function longestTtl(ttlSeconds: number, purposes: ReadonlyMap<string, PurposeDefinition>): number {
  const lives = [...purposes.values()].map((purpose) => purpose.ttlSeconds ?? 0);
  return Math.max(ttlSeconds, ...lives);
}

function resolveSenders(input: unknown): ReadonlyMap<string, SenderEntry> {
  const senders = new Map<string, SenderEntry>();
  for (const [name, value] of Object.entries(
    expectObject('Option senders', withDefault(input, {})),
  )) {
    assertName('sender', name);
    const entry = expectObject(`Sender ${name}`, value);
    refuseUnknown(`member of sender ${name}:`, entry, [
      'verboseName',
      'backend',
      'options',
      'destinations',
    ]);
    if (entry['backend'] === undefined || entry['backend'] === null) {
      throw new TwoFactorConfigurationError(
        `Sender ${name} has no backend. Give the name of a decorated class, a class or a factory.`,
      );
    }
    if (entry['verboseName'] !== undefined && typeof entry['verboseName'] !== 'string') {
      throw new TwoFactorConfigurationError(
        `The verboseName of sender ${name} is not a string. Give one.`,
      );
    }
    assertVerboseName(name, entry['verboseName']);
    assertDestinations(name, entry['destinations']);
    // The sender's own options are not frozen, because they may contain the client of an SDK.
    senders.set(name, Object.freeze({ ...entry }) as unknown as SenderEntry);
  }
  return senders;
}

/**
 * Checks a name that senders print in messages.
 *
 * @throws TwoFactorConfigurationError for a name that is not one plain line.
 */
export function assertVerboseName(sender: string, verboseName: string | undefined): void {
  if (verboseName === undefined || isOneLine(verboseName)) return;
  throw new TwoFactorConfigurationError(
    `The verboseName of sender ${sender} stands in messages, and is not ${ONE_LINE_RULE}. Mend it.`,
  );
}

function resolveCooldown(input: unknown): readonly number[] {
  const seconds: unknown = withDefault(input, DEFAULTS.cooldownSeconds);
  if (!Array.isArray(seconds)) throw wrongCooldown(`cooldownSeconds is ${formatValue(seconds)}`);
  if (seconds.length === 0) throw wrongCooldown('cooldownSeconds is an empty list');
  const checked = Array.from(seconds, (each: unknown, index) => {
    if (isInteger(each, 5, 3_600)) return each;
    throw wrongCooldown(`cooldownSeconds[${index}] is ${formatValue(each)}`);
  });
  return Object.freeze(checked);
}

function wrongCooldown(problem: string): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    `Option ${problem}. Give a list of whole numbers from 5 to 3600, such as [30, 60, 120].`,
  );
}

function resolveAutoPurge(input: unknown): ResolvedOptions['autoPurge'] {
  if (input === false) return false;
  const autoPurge = expectObject(
    'Option autoPurge',
    withDefault(input, {}),
    'Give an object or false.',
  );
  refuseUnknown('member of autoPurge:', autoPurge, ['everySeconds', 'keepSeconds']);
  const {
    everySeconds = DEFAULTS.autoPurge.everySeconds,
    keepSeconds = DEFAULTS.autoPurge.keepSeconds,
  } = autoPurge;
  return Object.freeze({
    everySeconds: expectInteger('autoPurge.everySeconds', everySeconds, 10, 86_400),
    keepSeconds: expectInteger('autoPurge.keepSeconds', keepSeconds, 0, 31_536_000),
  });
}

function resolveWorker(input: unknown): ResolvedOptions['worker'] {
  if (input === false) return false;
  const worker = expectObject('Option worker', withDefault(input, {}), 'Give an object or false.');
  refuseUnknown('member of worker:', worker, ['concurrency', 'pollSeconds']);
  const { concurrency = DEFAULTS.worker.concurrency, pollSeconds = DEFAULTS.worker.pollSeconds } =
    worker;
  return Object.freeze({
    concurrency: expectInteger('worker.concurrency', concurrency, 1, 64),
    pollSeconds: expectInteger('worker.pollSeconds', pollSeconds, 1, 300),
  });
}

function resolveClock(input: unknown): ResolvedOptions['clock'] {
  const clock: unknown = withDefault(input, DEFAULTS.clock);
  if (
    typeof clock !== 'object' ||
    clock === null ||
    !('now' in clock) ||
    typeof clock.now !== 'function'
  ) {
    throw new TwoFactorConfigurationError(
      'Option clock has no method now(). Give { now: () => epochMilliseconds }.',
    );
  }
  const now: unknown = (clock as ResolvedOptions['clock']).now();
  if (!isInteger(now, 0, Number.MAX_SAFE_INTEGER)) {
    throw new TwoFactorConfigurationError(
      `Option clock tells the time as ${formatValue(now)}. Give { now: () => epochMilliseconds }, a whole number.`,
    );
  }
  return clock as ResolvedOptions['clock'];
}
