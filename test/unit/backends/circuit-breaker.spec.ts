// A stranger must not take a provider away from everyone by a choice of recipients that always fail.
import { beforeEach, describe, expect, it } from 'vitest';

import { CircuitBreaker } from '../../../lib/backends/failover/circuit-breaker.js';

const RULE = { threshold: 3, openMs: 1_000 };
const ANN = 'ann';
const OPENED = 'opened';
const ASK = 'ask';
const NONE = 'none';
const failure = (recipient: string): { recipient: string; isTemporary: boolean } => ({
  recipient,
  isTemporary: true,
});

describe('CircuitBreaker', () => {
  let breaker: CircuitBreaker;
  beforeEach(() => {
    breaker = new CircuitBreaker(RULE);
  });
  const open = (): void => {
    for (let time = 0; time < RULE.threshold; time += 1) breaker.failed(false, 0);
  };
  const failUnexplained = (count: number, now = 0): string[] =>
    Array.from({ length: count }, (_, index) =>
      breaker.failedUnexplained(failure(`eve ${index}`), now),
    );

  it('opens after as many failures as the threshold when they concern everyone, and tries again after its pause', () => {
    expect([1, 2, 3].map(() => breaker.failed(false, 0))).toEqual([NONE, NONE, OPENED]);
    expect(breaker.allows(ANN, 999)).toBe(false);
    expect(breaker.allows(ANN, 1_000)).toBe(true);
    breaker.accepted(ANN);
    expect(breaker.allows(ANN, 1_000)).toBe(true);
    expect(breaker.failed(false, 1_000)).toBe(NONE);
  });

  it('opens at once when the account is refused', () => {
    expect(breaker.failed(true, 0)).toBe(OPENED);
  });

  it('stays closed for all others however many recipients fail', () => {
    failUnexplained(1_000);
    expect(breaker.allows(ANN, 0)).toBe(true);
    expect(breaker.isUnproven).toBe(false);
  });

  it('requests a ping of the provider after as many unexplained failures in a row as the threshold, and opens when it is not answered', () => {
    expect(failUnexplained(4)).toEqual([NONE, NONE, ASK, ASK]);
    expect(breaker.pingFailed(0)).toBe(true);
    expect([breaker.allows(ANN, 999), breaker.allows(ANN, 1_000)]).toEqual([false, true]);
  });

  it('requests a ping of the provider, too, when its failures in a row are of both kinds', () => {
    breaker.failedUnexplained(failure(ANN), 0);
    expect([breaker.failed(false, 0), breaker.failed(false, 0)]).toEqual([NONE, ASK]);
    expect(breaker.pingFailed(0)).toBe(true);
  });

  it('opens again at the first failure of everyone after the pause, whatever has opened it', () => {
    failUnexplained(3);
    breaker.pingFailed(0);
    expect(breaker.allows(ANN, 1_000)).toBe(true);
    expect(breaker.failed(false, 1_000)).toBe(OPENED);
  });

  it('counts unexplained failures from zero again when the provider answers, and when it accepts a message', () => {
    failUnexplained(2);
    breaker.accepted(ANN);
    expect(failUnexplained(3)).toEqual([NONE, NONE, ASK]);
    breaker.pingAnswered(0);
    expect(failUnexplained(3)).toEqual([NONE, NONE, ASK]);
  });

  it('stays closed when a message is accepted while the provider does not answer', () => {
    failUnexplained(3);
    breaker.accepted(ANN);
    expect(breaker.pingFailed(0)).toBe(false);
    expect(breaker.allows(ANN, 0)).toBe(true);
  });

  it('requests no ping of the provider for refusals, which prove that it answers', () => {
    const refusals = ['1', '2', '3', '4'].map((recipient) =>
      breaker.failedUnexplained({ recipient, isTemporary: false }, 0),
    );
    expect(refusals).toEqual([NONE, NONE, NONE, NONE]);
  });

  it('passes over the provider for the recipient whose message failed, until its pause ends or it accepts that recipient', () => {
    breaker.failedUnexplained(failure(ANN), 0);
    expect([breaker.allows(ANN, 999), breaker.allows('bob', 999)]).toEqual([false, true]);
    expect(breaker.allows(ANN, 1_000)).toBe(true);

    breaker.failedUnexplained(failure(ANN), 1_000);
    breaker.accepted(ANN);
    expect(breaker.allows(ANN, 1_000)).toBe(true);
  });

  it('remembers a thousand recipients at most, those that failed last', () => {
    failUnexplained(1_001);
    expect([breaker.allows('eve 0', 0), breaker.allows('eve 1', 0)]).toEqual([true, false]);
  });

  it('counts no refused recipient', () => {
    breaker.failed(false, 0);
    breaker.failed(false, 0);
    for (let time = 0; time < 100; time += 1) breaker.refused();
    expect(breaker.allows(ANN, 0)).toBe(true);
    expect(breaker.failed(false, 0)).toBe(OPENED);
  });

  it('lets one message at a time try a provider after the pause', () => {
    open();
    expect([breaker.allows(ANN, 1_000), breaker.allows('bob', 1_000)]).toEqual([true, false]);
    breaker.refused();
    expect(breaker.allows('bob', 1_000)).toBe(true);
    expect(breaker.failed(false, 1_000)).toBe(OPENED);
    expect(breaker.allows('bob', 1_999)).toBe(false);
  });

  it('gives no recipient that failed the turn to try a provider after the pause', () => {
    open();
    breaker.failedUnexplained(failure(ANN), 500);
    expect([breaker.allows(ANN, 1_000), breaker.allows('bob', 1_000)]).toEqual([false, true]);
  });

  it('requests a ping of the provider when the trial message fails, and closes when the ping is answered', () => {
    open();
    expect(breaker.allows(ANN, 1_000)).toBe(true);
    expect(breaker.failedUnexplained(failure(ANN), 1_000)).toBe(ASK);
    expect(breaker.pingFailed(1_000)).toBe(true);
    expect(breaker.allows('bob', 1_999)).toBe(false);

    expect(breaker.allows('bob', 2_000)).toBe(true);
    expect(breaker.failedUnexplained(failure('bob'), 2_000)).toBe(ASK);
    breaker.pingAnswered(2_000);
    expect(breaker.isUnproven).toBe(false);
    expect([breaker.allows('eve', 2_000), breaker.allows('joe', 2_000)]).toEqual([true, true]);
  });

  it('stays open when the provider answers, but the account was refused since it was asked', () => {
    failUnexplained(3);
    breaker.failed(true, 0);
    breaker.pingAnswered(0);
    expect(breaker.allows(ANN, 0)).toBe(false);
  });

  it('is unproven from its opening until a message is accepted, and not only for its pause', () => {
    expect(breaker.isUnproven).toBe(false);
    open();
    expect(breaker.isUnproven).toBe(true);
    expect(breaker.allows(ANN, 1_000)).toBe(true);
    breaker.refused();
    expect(breaker.isUnproven).toBe(true);
    breaker.accepted(ANN);
    expect(breaker.isUnproven).toBe(false);
  });

  it('reports its opening once for each pause, whatever else fails meanwhile', () => {
    open();
    expect([breaker.failed(false, 1), breaker.failed(true, 2)]).toEqual([NONE, NONE]);
    expect(breaker.pingFailed(3)).toBe(false);
    expect(breaker.failed(false, 1_003)).toBe(OPENED);
  });

  it('is kept open by failures that concern everyone, and by no others', () => {
    open();
    expect(breaker.failedUnexplained(failure(ANN), 999)).toBe(NONE);
    expect(breaker.allows('bob', 1_000)).toBe(true);
    expect(breaker.failed(false, 1_000)).toBe(OPENED);
    expect(breaker.failed(false, 1_999)).toBe(NONE);
    expect([breaker.allows('bob', 2_998), breaker.allows('bob', 2_999)]).toEqual([false, true]);
  });
});
