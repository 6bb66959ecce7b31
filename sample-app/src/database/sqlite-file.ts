import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** A database of sql.js in a file that is always complete: after a power cut it has the old content or the new one. */
export class SqliteFile {
  constructor(private readonly path: string) {
    mkdirSync(dirname(path), { recursive: true });
  }

  read(): Uint8Array | undefined {
    return existsSync(this.path) ? readFileSync(this.path) : undefined;
  }

  /**
   * For `autoSaveCallback`. It is synchronous, because TypeORM would lose statements of other requests that run while it
   * waits for a promise.
   */
  readonly write = (database: Uint8Array): void => {
    const temporary = `${this.path}.tmp`;
    const file = openSync(temporary, 'w', 0o600);
    try {
      for (let done = 0; done < database.length;) done += writeSync(file, database, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.path);
    this.#syncFolder();
  };

  /** Writes the new name of the file to the disk. Windows neither needs nor allows that. */
  #syncFolder(): void {
    if (process.platform === 'win32') return;
    const folder = openSync(dirname(this.path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }
}
