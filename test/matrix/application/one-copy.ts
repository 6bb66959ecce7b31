import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** `import` and `require` must bring the same classes. */
export async function oneCopy(): Promise<void> {
  const imported: object = await import('nestjs-two-factor');
  const load = createRequire(join(process.cwd(), 'application.js'));
  const required = load('nestjs-two-factor') as object;
  assert.ok('TwoFactorModule' in imported && 'TwoFactorModule' in required);
  assert.equal(imported.TwoFactorModule, required.TwoFactorModule);
}
