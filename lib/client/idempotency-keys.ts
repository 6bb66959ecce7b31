/** `sessionStorage`, or what stands in for it. */
export interface TabStorage {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** The keys of the header `Idempotency-Key`, one for each flow. */
export interface IdempotencyKeys {
  /** The key of a flow, drawn by the first call. */
  keyOf(flow: string): string;
  /** Lets the next call draw a new key. With `key`: unless another call has done so. */
  forget(flow: string, key?: string): void;
}

const PREFIX = 'nestjs-two-factor ';

/** 128 random bits. `crypto.randomUUID` exists on pages over HTTPS only. */
function drawKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Keeps the keys in the session storage, which survives a reload and ends with the tab. A page whose storage is blocked keeps
 * them until it is reloaded.
 */
export function idempotencyKeys(given: TabStorage | undefined): IdempotencyKeys {
  const unstored = new Map<string, string>();
  const attempt = <T>(action: (storage: TabStorage) => T): T | undefined => {
    try {
      // Reading this property throws where the person blocks storage.
      return action(given ?? sessionStorage);
    } catch {
      return undefined;
    }
  };
  const read = (name: string): string | undefined =>
    attempt((storage) => storage.getItem(name)) ?? unstored.get(name);
  return {
    keyOf: (flow) => {
      const name = PREFIX + flow;
      const key = read(name) ?? drawKey();
      const isStored = attempt((storage) => {
        storage.setItem(name, key);
        return true;
      });
      if (isStored !== true) unstored.set(name, key);
      return key;
    },
    forget: (flow, key) => {
      const name = PREFIX + flow;
      if (key !== undefined && read(name) !== key) return;
      attempt((storage) => storage.removeItem(name));
      unstored.delete(name);
    },
  };
}
