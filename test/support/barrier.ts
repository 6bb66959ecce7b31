/** Holds all who enter until a given number has entered. */
export class Barrier {
  #open: () => void = () => undefined;
  #entered = 0;
  readonly #opened: Promise<void>;

  constructor(private readonly size: number) {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  async enter(): Promise<void> {
    this.passBy();
    await this.#opened;
  }

  /** Counts as entered, without being held. */
  passBy(): void {
    this.#entered += 1;
    if (this.#entered >= this.size) this.#open();
  }
}
