import type { HeapProfiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { constants, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks';
import { setImmediate as tick } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext, runInThisContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import { Deadlines } from '../../../lib/database/execution/deadline.js';
import { KeyedMutex, type HolderState } from '../../../lib/database/execution/keyed-mutex.js';

const CALLS = 4_000;
const CALLERS = 16;
const PAYLOAD_BYTES = 1_000;
const PAYLOAD = 'payloadOfCall';

type Work = (payload: Payload) => Promise<unknown>;
type Payload = () => readonly number[];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (how: { type: 'minor' }) => void;

interface Collection extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

/** What survives the young collector twice is old. */
function grow(): void {
  collect({ type: 'minor' });
  collect({ type: 'minor' });
}

/** Makes what each call holds; found again by its name. Anew each time: once compiled into its callers it has none. */
function newPayload(): Payload {
  return runInThisContext(
    `(function ${PAYLOAD}() { return Array.from({ length: ${PAYLOAD_BYTES / 8} }).fill(0.5); })`,
  ) as Payload;
}

/** How often a measurement is repeated in which a full collection came: what that takes looks as if it had been left. */
const MOST_TRIES = 5;

/** How much of what ended calls held the young collector has left, of all of it. A full collection would find the rest. */
async function left(work: Work): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const share = await leftOnce(work);
    if (share !== null) return share;
  }
  throw new Error('There was a full collection in each measurement.');
}

/** `null` when there was a full collection. */
async function leftOnce(work: Work): Promise<number | null> {
  const payload = newPayload();
  const session = new Session();
  session.connect();
  const full: number[] = [];
  const reported: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, detail } of list.getEntries() as Collection[]) {
      reported.push(startTime);
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full.push(startTime);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  // What is there from the start is old.
  grow();
  try {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 1_024,
      // Else what a full collection has meanwhile found would look as if it had never been left.
      includeObjectsCollectedByMajorGC: true,
    } as HeapProfiler.StartSamplingParameterType);
    const begun = performance.now();
    let calls = 0;
    const caller = async (): Promise<void> => {
      while (calls < CALLS) {
        calls += 1;
        await work(payload);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    grow();
    const ended = performance.now();
    // It makes a full collection itself.
    const { profile } = await session.post('HeapProfiler.stopSampling');
    // Collections are reported later, one after the other: when this one is, all others are.
    collect({ type: 'minor' });
    while (!reported.some((at) => at >= ended)) await tick();
    if (full.some((at) => at >= begun && at <= ended)) return null;
    return sizeOf(profile.head, false) / (CALLS * PAYLOAD_BYTES);
  } finally {
    observer.disconnect();
    session.disconnect();
  }
}

function sizeOf(node: HeapProfiler.SamplingHeapProfileNode, isOurs: boolean): number {
  const isCounted = isOurs || node.callFrame.functionName === PAYLOAD;
  const below = node.children.map((child) => sizeOf(child, isCounted));
  return below.reduce((sum, size) => sum + size, isCounted ? node.selfSize : 0);
}

describe('The memory of a call that has ended', () => {
  const ownerOf = (held: readonly number[]) => (): number => held.length;

  it('is found to be kept when an array keeps all of it', async () => {
    const kept: unknown[] = [];
    const naive: Work = async (payload) => {
      kept.push(payload());
      await tick();
    };

    expect(await left(naive)).toBeGreaterThan(0.2);
    expect(kept.length).toBeGreaterThanOrEqual(CALLS);
  });

  it('is released by its deadline', async () => {
    const deadlines = new Deadlines(60_000);
    const inTime: Work = (payload) =>
      deadlines.run((deadline) => {
        deadline.onExpire = ownerOf(payload());
        return tick();
      });

    expect(await left(inTime)).toBeLessThan(0.05);
  });

  it('is kept by deadlines that are members of a Set, the naive twin', async () => {
    const waiting = new Set<unknown>();
    const naive: Work = async (payload) => {
      const deadline = { onPass: ownerOf(payload()) };
      waiting.add(deadline);
      await tick();
      waiting.delete(deadline);
    };

    expect(await left(naive)).toBeGreaterThan(0.2);
  });

  let lanesUsed = 0;
  const newLane = (): string => {
    lanesUsed += 1;
    return `lane ${lanesUsed}`;
  };
  const endOf = (held: readonly number[]): HolderState & { readonly held: unknown } => ({
    timedOutOnServer: false,
    expired: false,
    held,
  });

  it('is released by its mutex', async () => {
    const lanes = new KeyedMutex();
    const inLane: Work = (payload) => lanes.run(newLane(), () => tick(), endOf(payload()));

    expect(await left(inLane)).toBeLessThan(0.05);
  });

  it('is released by its mutex in which others wait', async () => {
    const lanes = new KeyedMutex();
    const inLane: Work = async (payload) => {
      const lane = newLane();
      const first = lanes.run(
        lane,
        () =>
          tick()
            .then(() => tick())
            .then(() => tick()),
        endOf(payload()),
      );
      await tick();
      await Promise.all([first, lanes.run(lane, () => tick())]);
    };

    expect(await left(inLane)).toBeLessThan(0.05);
  });

  it('is kept by mutexes that are entries of a Map, the naive twin', async () => {
    const tails = new Map<string, unknown>();
    const naive: Work = async (payload) => {
      const lane = newLane();
      tails.set(lane, endOf(payload()));
      await tick();
      tails.delete(lane);
    };

    expect(await left(naive)).toBeGreaterThan(0.2);
  });

  it('is released by a function that was in a variable before it was assigned to a member', async () => {
    const apart: Work = async (payload) => {
      const held = payload();
      const deadline: { onPass: (() => number) | null } = { onPass: null };
      const onPass = (): number => held.length;
      deadline.onPass = onPass;
      await tick();
      deadline.onPass = null;
    };

    expect(await left(apart)).toBeLessThan(0.05);
  });

  it('is kept by a function expression that is assigned directly to a member', async () => {
    const naive: Work = async (payload) => {
      const held = payload();
      const deadline: { onPass: (() => number) | null } = { onPass: null };
      deadline.onPass = () => held.length;
      await tick();
      deadline.onPass = null;
    };

    expect(await left(naive)).toBeGreaterThan(0.2);
  });
});
