// What a client with numbers of many prefixes costs the clients with other prefixes, while the store is slow.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { KeyRing } from '../../../lib/crypto/index.js';
import { TwoFactorTooManyRequestsError } from '../../../lib/errors/index.js';
import { Destinations } from '../../../lib/limits/prefixes/destinations.js';
import { PrefixLedger, type PrefixedMessage } from '../../../lib/limits/prefixes/prefix-ledger.js';
import type { LimitStore, QuotaUsage } from '../../../lib/limits/index.js';
import type { ResolvedOptions } from '../../../lib/options/index.js';
import { resolveLimits } from '../../../lib/options/limits.js';

const SECRET = Buffer.from('kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0Ae');
const DESTINATION = { country: 'UA', callingCode: '380' };
/** Longer than a test takes, unless its subject is a store that does not answer in this time. */
const PATIENT_MS = 60_000;
const IMPATIENT_MS = 200;
const ATTACKED = 40;

/** A store whose reads the test answers. */
class HeldStore {
  readonly reads: { readonly keys: readonly string[]; answer(usages: QuotaUsage[]): void }[] = [];
  readonly added: string[] = [];

  readonly read = (keys: readonly string[]): Promise<readonly QuotaUsage[]> =>
    new Promise((answer) => this.reads.push({ keys, answer }));

  readonly add = (additions: readonly { readonly key: string }[]): Promise<void> => {
    this.added.push(...additions.map(({ key }) => key));
    return Promise.resolve();
  };
}

function openLedger(store: HeldStore, databaseTimeoutMs = PATIENT_MS): PrefixLedger {
  const surroundings = { longestTtlSeconds: 600, hasDestinations: true, hasBoundPurpose: true };
  const rules = {
    destinationOf: (token: string) => ({ ...DESTINATION, nationalNumber: token.slice(4) }),
  };
  const options = {
    limits: resolveLimits({ sendsPerPrefix: { mode: 'deny' } }, surroundings),
    keyRing: KeyRing.fromSecrets([SECRET]),
    clock: { now: Date.now },
    databaseTimeoutMs,
    senders: new Map([['sms', { destinations: rules }]]),
  } as unknown as ResolvedOptions;
  return PrefixLedger.open(store as unknown as LimitStore, new Destinations(options), options)!;
}

/** A message to a number of the `prefix`-th prefix. */
const messageTo = (prefix: number): PrefixedMessage => ({
  way: 'sms',
  token: `+380${String(prefix).padStart(5, '0')}1234`,
  limitClass: 'open',
});
const refused = (): Promise<never> =>
  Promise.reject(new TwoFactorTooManyRequestsError('Full.', 60, 'sends-per-prefix'));
const outcomeOf = (ledger: PrefixLedger, prefix: number): Promise<string> =>
  ledger.retryAfterRefusal(messageTo(prefix * 100), refused).then(
    () => 'accepted',
    (error: unknown) => (error as TwoFactorTooManyRequestsError).limit,
  );

describe('Refusals by prefixes', () => {
  afterEach(() => vi.restoreAllMocks());

  it('wait for one read together, however many prefixes were refused meanwhile', async () => {
    const store = new HeldStore();
    const ledger = openLedger(store);
    const first = outcomeOf(ledger, 0);
    await vi.waitFor(() => expect(store.reads).toHaveLength(1));
    const others = Array.from({ length: ATTACKED }, (_, prefix) => outcomeOf(ledger, prefix + 1));
    store.reads[0]!.answer([]);
    await first;
    await vi.waitFor(() => expect(store.reads).toHaveLength(2));
    store.reads[1]!.answer([]);

    const outcomes = await Promise.all(others);

    // Nothing is known to be sent to them, so that each was tried again and refused again by the same limit.
    expect(new Set(outcomes)).toEqual(new Set(['sends-per-prefix']));
    expect(store.reads).toHaveLength(2);
    // Three counters of each prefix and of their country.
    expect(store.reads[1]!.keys.length).toBeGreaterThanOrEqual(ATTACKED * 3);
  });

  it('stay refusals when the store does not answer in the time of one statement', async () => {
    const ledger = openLedger(new HeldStore(), IMPATIENT_MS);
    const outcomes = Array.from({ length: ATTACKED }, (_, prefix) => outcomeOf(ledger, prefix));

    const answered = await Promise.race([
      Promise.all(outcomes),
      sleep(60_000, 'no answer', { ref: false }),
    ]);

    expect(answered).toEqual(Array.from({ length: ATTACKED }, () => 'sends-per-prefix'));
  });
});

describe('Prefixes that a client names', () => {
  it('do not erase the confirmed codes of honest people that are not written yet', async () => {
    const store = new HeldStore();
    const ledger = openLedger(store);
    ledger.countConfirmed(messageTo(99_900));
    const [honest] = ledger.talliesOf(messageTo(99_900));
    // A client names numbers of more prefixes than an instance remembers.
    const rule = { ...ledger.counts.rule };
    expect(rule.prefixDigits).toBe(3);
    for (let country = 0; country < 12; country += 1) {
      for (let prefix = 0; prefix < 1_000; prefix += 1) {
        const nationalNumber = `${String(prefix).padStart(3, '0')}1234567`;
        ledger.counts.talliesOf(
          { country: `C${country}`, callingCode: String(900 + country), nationalNumber },
          'open',
        );
      }
    }

    const round = ledger.round();
    while (store.added.length === 0) await sleep(1);

    expect(store.added).toContain(honest!.keys[0]!.confirmed);
    expect(ledger.talliesOf(messageTo(99_900))[0]).toBe(honest);
    // Of the others no more are remembered than before.
    expect(ledger.counts.takeUsed().length).toBeLessThanOrEqual(10_002);
    void round;
  });
});
