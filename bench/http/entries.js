/** The servers of the HTTP level; the first one is what the others are compared with. `api`: see the client. */
export const HTTP = [
  { id: 'fastify', name: 'floor: raw Fastify, hand-written `pg`', file: './floor-fastify.js' },
  { id: 'nest', name: 'the same behind Nest on Fastify', file: './floor-nest.js' },
  ours('fastify', false, false),
  ours('fastify', true, false),
  ours('fastify', false, true),
  ours('fastify', true, true),
  { id: 'express', name: 'raw Express, hand-written `pg`', file: './floor-express.js' },
  ours('express', false, false),
  ours('express', true, false),
  {
    id: 'better-auth',
    name: 'better-auth, its handler for Node',
    file: './better-auth.js',
    api: 'better-auth',
    isOnOurTable: false,
  },
].map((entry) => ({ api: 'ours', isOnOurTable: true, ...entry }));

function ours(adapter, join, limits) {
  return {
    id: `ours-${adapter}${join ? '-joined' : ''}${limits ? '-limits' : ''}`,
    name: `ours on ${adapter === 'fastify' ? 'Fastify' : 'Express'}, ${join ? 'joined' : 'not joined'}${limits ? ', limits' : ''}`,
    file: './ours.js',
    options: { adapter, join, limits },
    isLeftOutByQuick: limits || (adapter === 'express' && join),
  };
}
