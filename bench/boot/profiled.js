// The application, and where its time went: `node profiled.js <database> [with]`.
import { cpuProfile } from '../measure/cpu-profile.js';

const send = process.send.bind(process);
process.send = (told, done) => {
  void cpuProfile.stop().then((profile) => send({ ...told, profile }, done));
};
await cpuProfile.start();
await import('./application.js');
