import { Session } from 'node:inspector/promises';

const session = new Session();

/** What `node --cpu-prof` writes, of a part of a process's life: its start is another matter. */
export const cpuProfile = {
  async start() {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
  },
  /** @returns {Promise<import('node:inspector').Profiler.Profile>} */
  async stop() {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return profile;
  },
};
