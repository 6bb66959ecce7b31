import type { FaultList, PlantedFault } from './planted-fault.js';

const HEAD = `---
aside: false
---

# Planted faults

This page is for the reviewer who wants to know whether a test would find a repaired fault again. \`npm run test:planted\` puts
each fault below back into a copy of the sources, alone, and fails unless the named test then fails by an assertion. The nightly
workflow runs it. The table is in \`test/planted-faults\`; \`test/package/planted-faults.spec.ts\` compares it with this page.
`;

/** The text of docs/planted-faults.md, as Markdown that is not formatted. */
export function pageOf(lists: readonly FaultList[]): string {
  return [HEAD, ...lists.map(chapterOf)].join('\n\n');
}

function chapterOf({ title, origin, findings, faults }: FaultList): string {
  const sections = findings.map((name, index) => {
    const rows = faults.filter(({ finding }) => finding === index + 1).map(rowOf);
    return [
      `### ${index + 1}. ${name}`,
      ['| fault | planted in | found by |', '| --- | --- | --- |', ...rows].join('\n'),
    ].join('\n\n');
  });
  return [`## ${title}`, origin, ...sections].join('\n\n');
}

function rowOf({ sentence, file, spec, test }: PlantedFault): string {
  const title = test.split(' > ').at(-1)!;
  return `| ${textOf(sentence)} | \`${file}\` | \`${spec}\`: ${textOf(title)} |`;
}

/** A text as Markdown shows it unchanged. */
function textOf(text: string): string {
  return text.replaceAll(/[\\|<]/g, String.raw`\$&`);
}
