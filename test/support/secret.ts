import { createHash } from 'node:crypto';

/** A secret by name, the same in all processes. None is printed: the module refuses what stands in the repository. */
export function secretOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url');
}
