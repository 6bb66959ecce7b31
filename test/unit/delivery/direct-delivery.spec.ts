import type { EntityManager } from 'typeorm';
import { describe, expect, it, vi } from 'vitest';

import type { BackendCaller } from '../../../lib/delivery/backend-caller.js';
import { DirectDelivery } from '../../../lib/delivery/direct-delivery.js';
import type { RecordedMessage } from '../../../lib/delivery/message.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

describe('DirectDelivery', () => {
  it('calls no backend when it is given a transaction, which a provider cannot take part in', async () => {
    const backend = { call: vi.fn<BackendCaller['call']>() };
    const delivery = new DirectDelivery(
      backend as unknown as BackendCaller,
      ...(Array(3).fill(undefined) as unknown as [never, never, never]),
    );

    await expect(
      delivery.enqueue({} as RecordedMessage, {} as EntityManager),
    ).rejects.toBeInstanceOf(TwoFactorInputError);
    expect(backend.call).not.toHaveBeenCalled();
  });
});
