import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Another process that keeps writing to a SQLite file, one transaction after the other. */
export async function startNoiseWriter(file: string): Promise<{ stop(): Promise<number> }> {
  const script = `
    const { createRequire } = require('node:module');
    const Database = createRequire(process.argv[1])('better-sqlite3');
    const database = new Database(process.argv[2], { timeout: 5000 });
    database.pragma('journal_mode = WAL');
    database.exec('CREATE TABLE IF NOT EXISTS noise (at integer)');
    const insert = database.prepare('INSERT INTO noise VALUES (?)');
    let writes = 0;
    let isOver = false;
    process.stdin.once('end', () => { isOver = true; }).resume();
    const write = () => {
      if (isOver) return process.stdout.write(String(writes), () => process.exit(0));
      const transaction = database.transaction(() => { for (let at = 0; at < 20; at += 1) insert.run(at); });
      transaction.immediate();
      writes += 1;
      if (writes === 1) process.stdout.write('started\\n');
      setImmediate(write);
    };
    write();`;
  const beside = fileURLToPath(new URL('../engines/package.json', import.meta.url));
  const child = spawn(process.execPath, ['-e', script, beside, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child.stdout, 'data');
  return {
    /** How many transactions it committed. */
    stop: async () => {
      const exit = once(child, 'exit');
      child.stdin.end();
      await exit;
      return Number(said.split('\n').at(-1));
    },
  };
}
