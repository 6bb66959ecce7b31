// A stranger must not take a provider away from everyone by a choice of recipients that always fail.
import { beforeEach, describe, expect, it } from 'vitest';

import { CircuitBreaker, groupOf } from '../../../lib/backends/failover/circuit-breaker.js';

const RULE = { threshold: 3, openMs: 1_000 };
const down = { group: '15555', concernsAll: true, isLasting: false };
const failing = (group: string): typeof down => ({ group, concernsAll: false, isLasting: false });

describe('CircuitBreaker', () => {
  let breaker: CircuitBreaker;
  beforeEach(() => {
    breaker = new CircuitBreaker(RULE);
  });

  it('opens after as many failures as the threshold when they concern everyone, and tries again after its pause', () => {
    expect([1, 2, 3].map(() => breaker.failed(down, 0))).toEqual([false, false, true]);
    expect(breaker.allows(999)).toBe(false);
    expect(breaker.allows(1_000)).toBe(true);
    breaker.accepted();
    expect(breaker.allows(1_000)).toBe(true);
    expect(breaker.failed(down, 1_000)).toBe(false);
  });

  it('stays closed however often messages to one prefix fail', () => {
    const opened = Array.from({ length: 1_000 }, () => breaker.failed(failing('15555'), 0));
    expect(opened).not.toContain(true);
    expect(breaker.allows(0)).toBe(true);
  });

  it('opens when messages to different prefixes fail in a row, and an accepted one begins a new row', () => {
    breaker.failed(failing('1'), 0);
    breaker.failed(failing('2'), 0);
    breaker.accepted();
    expect(['1', '2', '3'].map((group) => breaker.failed(failing(group), 0))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('opens at once when the account is refused, and not for a refusal that may be about the recipient', () => {
    expect(breaker.failed({ ...failing('1'), isLasting: true }, 0)).toBe(false);
    expect(breaker.failed({ ...down, isLasting: true }, 0)).toBe(true);
  });

  it('counts no refused recipient', () => {
    breaker.failed(down, 0);
    breaker.failed(down, 0);
    for (let time = 0; time < 100; time += 1) breaker.unknown();
    expect(breaker.allows(0)).toBe(true);
    expect(breaker.failed(down, 0)).toBe(true);
  });

  it('lets one message at a time try a provider after the pause', () => {
    for (let time = 0; time < 3; time += 1) breaker.failed(down, 0);
    expect([breaker.allows(1_000), breaker.allows(1_000)]).toEqual([true, false]);
    breaker.unknown();
    expect(breaker.allows(1_000)).toBe(true);
    expect(breaker.failed(down, 1_000)).toBe(true);
    expect(breaker.allows(1_999)).toBe(false);
  });

  it('opens again when the message that tries it fails for another prefix, however often', () => {
    for (const group of ['1', '2', '3']) breaker.failed(failing(group), 0);
    for (let pause = 1; pause < 10; pause += 1) {
      expect(breaker.allows(pause * 1_000)).toBe(true);
      expect(breaker.failed(failing(`other ${pause}`), pause * 1_000)).toBe(true);
      expect(breaker.allows(pause * 1_000 + 999)).toBe(false);
    }
  });

  it('is unproven from its opening until a message is accepted, and not only for its pause', () => {
    expect(breaker.isUnproven).toBe(false);
    for (let time = 0; time < 3; time += 1) breaker.failed(down, 0);
    expect(breaker.isUnproven).toBe(true);
    expect(breaker.allows(1_000)).toBe(true);
    breaker.unknown();
    expect(breaker.isUnproven).toBe(true);
    breaker.accepted();
    expect(breaker.isUnproven).toBe(false);
  });

  it('is kept open by failures that concern everyone, which no recipient can cause', () => {
    for (let time = 0; time < 3; time += 1) breaker.failed(down, 0);
    expect(breaker.failed(down, 999)).toBe(true);
    expect(breaker.allows(1_998)).toBe(false);
    expect(breaker.allows(1_999)).toBe(true);
  });

  it('is not kept open by messages that no other provider could deliver meanwhile', () => {
    for (const group of ['1', '2', '3']) breaker.failed(failing(group), 0);
    expect(breaker.failed(failing('4'), 999)).toBe(false);
    expect(breaker.allows(1_000)).toBe(true);
  });

  it('is not kept open by a prefix that has failed before', () => {
    for (const group of ['1', '2', '3']) breaker.failed(failing(group), 0);
    expect(breaker.allows(1_000)).toBe(true);
    expect(breaker.failed(failing('3'), 1_000)).toBe(false);
    expect(breaker.allows(1_000)).toBe(true);
    breaker.accepted();
    expect([breaker.allows(1_000), breaker.allows(1_000)]).toEqual([true, true]);
  });

  it.each([
    ['+15555550123', '15555'],
    ['ann@mail.Example.com', 'example.com'],
    ['ann@a.b.c.d.example.com', 'example.com'],
    ['ann@localhost', 'localhost'],
    ['ann@example.com.', 'example.com'],
    ['ann@exämple.example', 'xn--exmple-cua.example'],
    ['ann@XN--EXMPLE-CUA.example', 'xn--exmple-cua.example'],
    ['7000001', '70000'],
    // The spellings of one number that a token may have.
    ['+1 555 555 01 23', '15555'],
    ['+1.555.555.0123', '15555'],
    ['+1-5-5-5-5550123', '15555'],
    ['+ 1555 5550123', '15555'],
    ['0015555550123', '15555'],
    ['+(1)555/5550123', '15555'],
    ['tel:+15555550123', '15555'],
    ['+\u0661\u0665\u0665\u0665\u0665', '15555'],
    ['Ann-Marie', 'annma'],
    ['a.n.n marie', 'annma'],
  ])('takes %s for one of the group %s', (token, group) => {
    expect(groupOf(token)).toBe(group);
  });
});
