import { describe, expect, it } from 'vitest';

import {
  ALL,
  COMMON_FACE,
  KINDS,
  NAMED,
  nameOf,
  NODES,
  RESOLUTIONS,
  TYPEORMS,
  usesServers,
} from './cells.js';

type Dimension = 'kind' | 'typeorm' | 'node' | 'resolution';
const VALUES = { kind: KINDS, typeorm: TYPEORMS, node: NODES, resolution: RESOLUTIONS };

/** The pairs of values of two dimensions that no named cell has. */
function missing(one: Dimension, other: Dimension): string[] {
  const had = new Set(NAMED.map((cell) => `${cell[one]} with ${cell[other]}`));
  return VALUES[one]
    .flatMap((first) => VALUES[other].map((second) => `${first} with ${second}`))
    .filter((pair) => !had.has(pair));
}

describe('The matrix', () => {
  it('has every combination but Nest 12 required under node16', () => {
    expect(new Set(ALL.map(nameOf)).size).toBe(4 * 2 * 3 * 3 - 2 * 3);
    expect(ALL.map(nameOf)).toEqual(expect.arrayContaining([...NAMED, COMMON_FACE].map(nameOf)));
  });

  it('lists eight cells that contain the documented pairs of versions', () => {
    expect(new Set(NAMED.map(nameOf)).size).toBe(8);
    expect(missing('kind', 'typeorm')).toEqual([]);
    expect(missing('typeorm', 'node')).toEqual([]);
    expect(missing('typeorm', 'resolution')).toEqual([]);
    expect(missing('node', 'resolution')).toEqual(['24 with node16']);
  });

  it('runs one application of each TypeORM on the servers', () => {
    const typeorms = NAMED.filter(usesServers).map(({ typeorm }) => typeorm);
    expect(typeorms.toSorted()).toEqual(TYPEORMS);
  });
});
