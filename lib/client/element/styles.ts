/**
 * Colours follow the `color-scheme` of the page. Every custom property has a default, and every part can be styled by `::part`.
 * Physical directions are not used, so that a page from right to left needs nothing of its own.
 *
 * The style sheet has no comments, because pages load them. What it cannot say of itself:
 * - `textarea`: a recovery code is broken at its dashes, so that its groups are those on the paper. It has a third line for wide
 *   letters.
 * - `.error:empty`: not `display: none`, because a live region that is not rendered is not announced. The margin takes the gap back.
 */
export const STYLES = `
:host {
  --_accent: var(--two-factor-accent, #0b5d4e);
  --_on-accent: var(--two-factor-on-accent, #fff);
  --_muted: var(--two-factor-muted, #55625d);
  --_error: var(--two-factor-error, #a3191f);
  --_border: var(--two-factor-border, #76827d);
  --_radius: var(--two-factor-radius, .5rem);
  display: block;
  max-inline-size: 26rem;
  color: var(--two-factor-text, inherit);
  font: var(--two-factor-font, inherit);
  overflow-wrap: anywhere;
}
@supports (color: light-dark(#000, #fff)) {
  :host {
    --_accent: var(--two-factor-accent, light-dark(#0b5d4e, #6fd3ba));
    --_on-accent: var(--two-factor-on-accent, light-dark(#fff, #06231c));
    --_muted: var(--two-factor-muted, light-dark(#55625d, #a9b7b1));
    --_error: var(--two-factor-error, light-dark(#a3191f, #ff9d98));
    --_border: var(--two-factor-border, light-dark(#76827d, #8a9892));
  }
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
p { margin: 0; text-wrap: pretty; }
form { display: grid; gap: .5rem; }
.stack { display: flex; flex-direction: column; gap: .75rem; }
label, .heading { font-weight: 600; }
input, textarea {
  inline-size: 100%;
  min-block-size: 3rem;
  padding: .25rem .75rem;
  border: 1px solid var(--_border);
  border-radius: var(--_radius);
  background: var(--two-factor-field, transparent);
  color: inherit;
  font: inherit;
  font-size: 1.5rem;
  font-variant-numeric: tabular-nums;
  letter-spacing: .2em;
  direction: ltr;
}
:host(:dir(rtl)) :is(input, textarea) { text-align: right; }
input.long, textarea { font-size: 1.125rem; letter-spacing: .05em; }
textarea { display: block; resize: none; field-sizing: content; min-block-size: 4.5rem; }
[aria-invalid=true] { border: 2px solid var(--_error); }
button {
  min-block-size: 2.75rem;
  padding: .5rem 1rem;
  border: 1px solid var(--_accent);
  border-radius: var(--_radius);
  background: transparent;
  color: var(--_accent);
  font: inherit;
  cursor: pointer;
}
button.primary { background: var(--_accent); color: var(--_on-accent); font-weight: 600; }
button.link {
  align-self: start;
  padding-inline: 0;
  border-inline-width: 0;
  border-color: transparent;
  text-align: start;
  text-decoration: underline;
}
button[aria-disabled=true] { color: var(--_muted); cursor: default; text-decoration: none; }
button[aria-disabled=true]:not(.link) { background: transparent; border-color: var(--_border); }
:disabled { opacity: .6; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.muted { color: var(--_muted); font-size: .9375em; }
.facts { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; }
.number { font-variant-numeric: tabular-nums; }
.unseen { position: absolute; inline-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.error { color: var(--_error); font-weight: 600; }
.error:empty, .status:empty { margin-block-end: -.75rem; }
ul { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0; list-style: none; }
`;
