import { afterEach, expect, it, vi } from 'vitest';

import { awsSnsBackend } from '../../../lib/backends/aws-sns/index.js';
import { defineSender, TwoFactorConfigurationError } from '../../../lib/index.js';
import { startApp } from '../../support/test-app.js';

afterEach(() => {
  vi.doUnmock('@aws-sdk/client-sns');
});

it('fails the boot with the command to install it when @aws-sdk/client-sns is missing', async () => {
  vi.doMock('@aws-sdk/client-sns', () => {
    throw new Error("Cannot find package '@aws-sdk/client-sns'");
  });
  const sms = defineSender(awsSnsBackend, { options: { region: 'eu-central-1' } });
  const error: unknown = await startApp({ options: { senders: { default: sms } } }).catch(
    (thrown: unknown) => thrown,
  );

  expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  expect((error as Error).message).toBe(
    'The Amazon SNS backend needs the package @aws-sdk/client-sns: install it with "npm install @aws-sdk/client-sns".',
  );
});
