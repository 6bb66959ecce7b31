import { parseAst } from 'rolldown/parseAst';

/**
 * Removes the tabs at the beginning of lines, which make the compressed package 3 % larger. Lines stay lines, so that stack traces and
 * source maps name them as before. Within a template literal a tab is part of a text, and stays.
 *
 * @param {string} code
 */
export function withoutIndentation(code) {
  const literals = literalsIn(parseAst(code));
  let next = 0;
  return code.replace(/^\t+/gm, (tabs, /** @type {number} */ at) => {
    while (next < literals.length && literals[next].end <= at) next += 1;
    return next < literals.length && literals[next].start < at ? tabs : '';
  });
}

/** The pieces of text of all template literals, in their order in the code. */
function literalsIn(/** @type {unknown} */ root) {
  /** @type {{ start: number, end: number }[]} */
  const found = [];
  const visit = (/** @type {unknown} */ node) => {
    if (typeof node !== 'object' || node === null) return;
    if (node.type === 'TemplateElement') found.push({ start: node.start, end: node.end });
    for (const child of Object.values(node)) visit(child);
  };
  visit(root);
  return found.toSorted((one, other) => one.start - other.start);
}
