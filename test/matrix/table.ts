import type { Row } from './run-cell.js';

const COLUMNS: readonly (readonly [string, (row: Row) => string])[] = [
  ['application', ({ cell }) => cell.kind],
  ['Nest', ({ versions }) => versions['@nestjs/core'] ?? ''],
  ['@nestjs/typeorm', ({ versions }) => versions['@nestjs/typeorm'] ?? ''],
  ['TypeORM', ({ cell }) => cell.typeorm],
  ['Node', ({ node }) => node.slice(1)],
  ['moduleResolution', ({ cell }) => cell.resolution],
  ['TypeScript', ({ versions }) => versions['typescript'] ?? ''],
  ['database', ({ databases }) => databases.join(', ')],
  ['result', ({ fault }) => (fault === undefined ? 'green' : `**red**: ${reasonOf(fault)}`)],
];

/** The rows as Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [
    COLUMNS.map(([name]) => name),
    ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row))),
  ];
  const widths = COLUMNS.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  const [head, ...body] = lines.map((line) =>
    line.map((cell, index) => cell.padEnd(widths[index]!)).join(' | '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join(' | ');
  return [head, rule, ...body].map((line) => `| ${line} |`).join('\n');
}

/** The first line of a fault that says something. */
export function reasonOf(fault: string): string {
  const lines = fault.split('\n').map((line) => line.trim());
  const telling = lines.find((line) => /error|cannot|unexpected/i.test(line)) ?? lines[0] ?? '';
  const [step = ''] = fault.split(':');
  const reason = telling.startsWith(step) ? telling : `${step}: ${telling}`;
  return reason.slice(0, 160).replaceAll('|', '\\|');
}
