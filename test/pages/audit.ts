// The accessibility audit of a page: axe, the contrast of controls, the size of targets and sideways scrolling.
import axe, { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

/*
 * The sample application's pages for everybody: WCAG 2.2 AA by axe-core in each state, what axe cannot see by hand, and
 * the whole walk without a mouse. Swagger UI, which is not ours, is not looked at.
 */
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const STANDARD = [...WCAG, 'best-practice'];

/** A pair of colours that must be told apart, and by how much. */
interface Pair {
  readonly what: string;
  readonly ratio: number;
  readonly least: number;
}

interface Control {
  readonly html: string;
  readonly width: number;
  readonly height: number;
}

/** Functions for the checks by hand, which walk into open shadow roots: the controls of an element would not be looked at otherwise. */
const SHADOW_WALK = `
  const deep = (root, selector) => [...root.querySelectorAll('*')].flatMap((each) => [
    ...(each.matches(selector) ? [each] : []),
    ...(each.shadowRoot ? deep(each.shadowRoot, selector) : []),
  ]);
  const shown = (selector) => deep(document, selector)
    .filter((each) => each.checkVisibility() && each.getClientRects().length > 0);
  const parentOf = (each) => each.parentElement ?? each.getRootNode().host;
  const nameOf = (each) => each.id || each.getAttribute('part') || each.outerHTML.slice(0, 80);
  const activeOf = (root) => root.activeElement?.shadowRoot?.activeElement ?? root.activeElement;
`;

/** The contrast of edges and of the focus ring (1.4.11, 2.4.7), which axe does not look at. Runs in the page. */
const PAIRS = `(() => {
  ${SHADOW_WALK}
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (text) => {
    const [red, green, blue] = rgb(text).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const groundOf = (element) => {
    for (let each = element; each; each = parentOf(each)) {
      const { backgroundColor } = getComputedStyle(each);
      if (rgb(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const focused = activeOf(document);
  const pairs = shown('a, button, input:enabled, textarea:enabled').flatMap((control) => {
    const ground = groundOf(parentOf(control));
    const what = nameOf(control);
    // A control that a click has left with the focus would keep it without a ring.
    control.blur();
    control.focus({ focusVisible: true });
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(control);
    const ring = outlineStyle === 'none' || parseFloat(outlineWidth) < 2 ? 1 : ratio(outlineColor, ground);
    const found = [{ what: 'the focus ring of ' + what, ratio: ring, least: 3 }];
    if (control.matches('input:not([type=radio]), textarea')) {
      const { borderTopColor } = getComputedStyle(control);
      found.push({ what: 'the edge of ' + what, ratio: ratio(borderTopColor, ground), least: 3 });
    }
    return found;
  });
  focused?.focus();
  return pairs;
})()`;

/**
 * The controls that something hides while they have the focus (2.4.11), such as a bar that stays in view. Each is looked at in the
 * middle and near its corners.
 */
const HIDDEN = `(() => {
  ${SHADOW_WALK}
  const focused = activeOf(document);
  const hidden = shown('a, button, input:enabled, textarea:enabled').filter((control) => {
    control.focus({ focusVisible: true });
    const { left, top, right, bottom, width, height } = control.getBoundingClientRect();
    const points = [
      [left + width / 2, top + height / 2],
      [left + 4, top + 4], [right - 4, top + 4], [left + 4, bottom - 4], [right - 4, bottom - 4],
    ];
    return !points.some(([x, y]) => {
      const hit = control.getRootNode().elementFromPoint(x, y);
      return hit !== null && (control.contains(hit) || control.closest('label')?.contains(hit));
    });
  });
  focused?.focus();
  return hidden.map(nameOf);
})()`;

/** What is to be hit with a finger, with the label that belongs to it. Links in a line of text are excepted (2.5.8). */
const TARGETS = `(() => {
  ${SHADOW_WALK}
  return shown('a:not(.skip), button, input, textarea').map((each) => {
    const { width, height } = (each.closest('label') ?? each).getBoundingClientRect();
    return { html: each.outerHTML.slice(0, 80), width, height };
  });
})()`;

async function audit(page: Page, values = STANDARD): Promise<AxeResults> {
  // The page's own policy forbids script tags; this goes around it.
  await page.evaluate(axe.source);
  // A message that stays in view covers what is scrolled below it, and axe cannot tell the colours of what is covered.
  await page.evaluate('scrollTo(0, 0)');
  const options = { runOnly: { type: 'tag', values }, resultTypes: ['violations'] };
  return page.evaluate(`axe.run(document, ${JSON.stringify(options)})`);
}

/**
 * Whatever is wrong with a mail, in the colours that it is shown in. The best practices of axe are for whole pages: a mail program puts
 * the landmarks around it.
 */
export async function flawsOfMail(page: Page): Promise<string[]> {
  const { violations, incomplete, passes } = await audit(page, WCAG);
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  if (incomplete.some(({ id }) => id === 'color-contrast')) found.push('axe cannot tell a colour');
  if (!passes.some(({ id }) => id === 'color-contrast')) found.push('axe has seen no colours');
  return found;
}

export const SIDEWAYS =
  'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/** Whatever is wrong with a page in the state that it is in. */
export async function flawsOf(page: Page): Promise<string[]> {
  const { violations, incomplete, passes } = await audit(page);
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  if (passes.length < 10) found.push('axe had nothing to look at');
  if (incomplete.some(({ id }) => id === 'color-contrast')) found.push('axe cannot tell a colour');

  const pairs = await page.evaluate<Pair[]>(PAIRS);
  const faint = pairs.filter(({ ratio, least }) => ratio < least);
  found.push(...faint.map(({ what, ratio }) => `${what} is faint: ${ratio.toFixed(2)}`));

  const hidden = await page.evaluate<string[]>(HIDDEN);
  found.push(...hidden.map((what) => `${what} is hidden while it has the focus`));

  const targets = await page.evaluate<Control[]>(TARGETS);
  const small = targets.filter(({ width, height }) => width < 24 || height < 40);
  found.push(...small.map(({ html, width, height }) => `${width} x ${height} is small: ${html}`));

  if ((await page.evaluate(SIDEWAYS)) !== 0) found.push('it scrolls sideways');
  return found;
}
