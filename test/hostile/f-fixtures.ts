import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import { defineSender } from '../../lib/index.js';
import { CANARY_FOLDER } from '../support/canaries.js';

interface Mail {
  readonly messageId: string;
  readonly to: { name: string; address: string };
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** A mail transport that keeps what it is given. */
export function mailbox() {
  const mails: Mail[] = [];
  const transport = { sendMail: async (mail: Mail) => mails.push(mail) };
  const options = {
    transport: transport as unknown as EmailOptions['transport'],
    from: 'ACME <no-reply@acme.example>',
    product: 'ACME',
  };
  return { mails, senders: { default: defineSender(emailBackend, { options }) } };
}

const outputFile = join(CANARY_FOLDER, `output.${process.pid}.log`);

export async function outputSoFar(): Promise<number> {
  return (await readFile(outputFile).catch(() => Buffer.alloc(0))).length;
}

export async function outputSince(bytes: number): Promise<string[]> {
  return (await readFile(outputFile)).subarray(bytes).toString('utf8').split('\n').filter(Boolean);
}
