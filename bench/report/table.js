import { median } from '../measure/statistics.js';

/**
 * Markdown as prettier writes it.
 *
 * @param {readonly string[]} head
 * @param {readonly (readonly (string | number)[])[]} rows
 */
export function table(head, rows) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, at) => Math.max(3, ...lines.map((line) => line[at].length)));
  const [first, ...rest] = lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at])));
  const rule = widths.map((width) => '-'.repeat(width));
  return [first, rule, ...rest].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** Three significant digits, or all digits before the point. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en-US', { maximumFractionDigits: decimals });
}

export function ratio(value) {
  return value === null || !Number.isFinite(value) ? '–' : value.toFixed(2);
}

/** The median of some rounds' ratios, and from the least to the greatest. */
export function spread(ratios) {
  if (ratios.length === 0) return '–';
  return `${ratio(median(ratios))} (${ratio(Math.min(...ratios))}-${ratio(Math.max(...ratios))})`;
}

export function percent(share) {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)} %`;
}
