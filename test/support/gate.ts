export interface Gate {
  /** Fulfilled once the gate is open. */
  readonly opened: Promise<void>;
  readonly open: () => void;
}

/** A promise, and the function that fulfils it. */
export function gate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
