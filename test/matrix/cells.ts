/** How an application is written, and what runs it. */
export const KINDS = ['Nest 12 ESM', 'Nest 12 CommonJS', 'Nest 11 Jest', 'Nest 11 Vitest'] as const;
export const TYPEORMS = ['0.3.31', '1.1.1'] as const;
export const NODES = ['20', '22', '24'] as const;
export const RESOLUTIONS = ['node16', 'nodenext', 'bundler'] as const;

export type NodeMajor = (typeof NODES)[number];

/** One application of the matrix. */
export interface Cell {
  readonly kind: (typeof KINDS)[number];
  readonly typeorm: (typeof TYPEORMS)[number];
  readonly node: NodeMajor;
  readonly resolution: (typeof RESOLUTIONS)[number];
}

/** Every combination that can be. */
export const ALL: readonly Cell[] = KINDS.flatMap((kind) =>
  TYPEORMS.flatMap((typeorm) =>
    NODES.flatMap((node) =>
      RESOLUTIONS.map((resolution) => ({ kind, typeorm, node, resolution })).filter(isPossible),
    ),
  ),
);

/**
 * Eight of them: each kind with each TypeORM, each TypeORM with each Node and each resolution, and each Node with each
 * resolution but one (24 with node16). For each kind with each Node it takes twelve: the full matrix.
 */
export const NAMED: readonly Cell[] = [
  { kind: 'Nest 12 ESM', typeorm: '1.1.1', node: '20', resolution: 'node16' },
  { kind: 'Nest 12 ESM', typeorm: '0.3.31', node: '24', resolution: 'bundler' },
  { kind: 'Nest 12 CommonJS', typeorm: '1.1.1', node: '22', resolution: 'nodenext' },
  { kind: 'Nest 12 CommonJS', typeorm: '0.3.31', node: '20', resolution: 'bundler' },
  { kind: 'Nest 11 Jest', typeorm: '1.1.1', node: '24', resolution: 'nodenext' },
  { kind: 'Nest 11 Jest', typeorm: '0.3.31', node: '22', resolution: 'node16' },
  { kind: 'Nest 11 Vitest', typeorm: '1.1.1', node: '22', resolution: 'bundler' },
  { kind: 'Nest 11 Vitest', typeorm: '0.3.31', node: '20', resolution: 'nodenext' },
];

/** An application that takes the package's CommonJS face, in its types and when it runs. */
export const COMMON_FACE: Cell = {
  kind: 'Nest 11 Jest',
  typeorm: '1.1.1',
  node: '20',
  resolution: 'node16',
};

/** Whether the application also runs on PostgreSQL, MariaDB and MySQL: among the eight, one for each TypeORM. */
export function usesServers({ kind }: Cell): boolean {
  return kind === 'Nest 12 ESM';
}

export function nameOf({ kind, typeorm, node, resolution }: Cell): string {
  return `${kind}, TypeORM ${typeorm}, Node ${node}, ${resolution}`;
}

/** Nest 12 is ES modules alone, which TypeScript's node16 refuses to `require`. */
function isPossible({ kind, resolution }: Cell): boolean {
  return !(kind === 'Nest 12 CommonJS' && resolution === 'node16');
}
