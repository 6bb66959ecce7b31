import 'reflect-metadata';

import { recordOutput } from './canaries.js';

// Whatever any test prints is searched for codes at the end.
for (const stream of ['stdout', 'stderr'] as const) {
  const original = process[stream].write.bind(process[stream]);
  process[stream].write = (chunk: string | Uint8Array, ...rest: never[]) => {
    recordOutput(stream, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    return original(chunk, ...rest);
  };
}
