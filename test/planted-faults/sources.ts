import { execFileSync } from 'node:child_process';
import {
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { withFault, type PlantedFault } from './planted-fault.js';

/**
 * A copy of the sources, in which one fault at a time is planted. The working tree is never changed: another process may read it,
 * and an interrupted run would leave a fault behind.
 */
export class Sources {
  private constructor(readonly folder: string) {}

  /** @param root the repository. The copy is inside of it, in the ignored folder `.tmp`. */
  static async copy(root: string): Promise<Sources> {
    await mkdir(join(root, '.tmp'), { recursive: true });
    const folder = await mkdtemp(join(root, '.tmp/planted-faults-'));
    const list = ['ls-files', '-z', '-co', '--exclude-standard'];
    const files = execFileSync('git', list, { cwd: root }).toString().split('\0').filter(Boolean);
    for (const file of files) {
      await cp(join(root, file), join(folder, file), { recursive: true });
    }
    await linkPackages(join(root, 'node_modules'), join(folder, 'node_modules'));
    // Some tests ask git for the files of the repository, and would find nothing in none.
    execFileSync('git', ['init', '--quiet'], { cwd: folder });
    execFileSync('git', ['add', '--all'], { cwd: folder });
    return new Sources(folder);
  }

  /** Runs `work` while the fault is planted, and removes it afterwards. */
  async whilePlanted<T>(fault: PlantedFault, work: () => Promise<T>): Promise<T> {
    const path = join(this.folder, fault.file);
    const text = await readFile(path, 'utf8');
    await writeFile(path, withFault(text, fault));
    try {
      return await work();
    } finally {
      await writeFile(path, text);
    }
  }
}

/** Links each package. The links of workspaces keep their relative target, so that they lead into the copy. */
async function linkPackages(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) {
    if (name.startsWith('.vite')) continue;
    const isLink = (await lstat(join(from, name))).isSymbolicLink();
    const target = isLink ? await readlink(join(from, name)) : join(from, name);
    await mkdir(dirname(join(to, name)), { recursive: true });
    await symlink(target, join(to, name), 'junction');
  }
}
