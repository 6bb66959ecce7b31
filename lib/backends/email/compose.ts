import type { Delivery } from '../../sender/index.js';

/** The content of one message. The code belongs into text and HTML, never into the subject, because lock screens show it. */
export interface EmailMessage {
  readonly subject: string;
  readonly text: string;
  readonly html?: string | undefined;
  /** Further headers, such as `List-Id`: one line each, and none that says who sends, who receives or what the content is. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const INVISIBLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML[character] ?? character);
}

/** The value as one line, without invisible characters and direction marks, which could make it read as another value. */
function oneLine(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).replace(INVISIBLE, ' ');
}

/** One line such as `Amount: 10.00` for each member of the details, so that the recipient sees what the code approves. */
function detailLines(details: unknown): (readonly [name: string, value: string])[] {
  if (typeof details !== 'object' || details === null)
    return details === null ? [] : [['Details', oneLine(details)]];
  return Object.entries(details).map(([name, value]) => {
    const label = oneLine(name);
    return [label.charAt(0).toUpperCase() + label.slice(1), oneLine(value)] as const;
  });
}

/** The default message, in English: the details that the code approves, the code, and the advice not to share it. */
export function composeEmail(
  { code, state, expiresInSeconds }: Delivery,
  product?: string,
): EmailMessage {
  const minutes = Math.max(1, Math.round(expiresInSeconds / 60));
  const lines = detailLines(state.details);
  const advice = `It is valid for ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}. Do not share it: ${product ?? 'our service'} will never ask you for it.`;
  const approves = lines.length > 0 ? 'Enter this code only if you want to approve:' : '';
  const text = [
    `Your code is ${code}`,
    '',
    ...(approves ? [approves, ...lines.map(([name, value]) => `  ${name}: ${value}`), ''] : []),
    advice,
    '',
  ];
  const rows = lines.map(
    ([name, value]) =>
      `<tr><th align="left" scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  const subject = product === undefined ? 'Your code' : `Your ${product} code`;
  const html = [
    '<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8">',
    // Both schemes, so that a dark mail client chooses the colours itself instead of inverting some of them.
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    // Without it iOS makes a link to a phone number of the code, and a tap on the code calls a stranger.
    '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">',
    `<title>${escapeHtml(subject)}</title></head>`,
    '<body style="font-family:sans-serif;line-height:1.5;color-scheme:light dark">',
    '<p>Your code is</p>',
    `<p style="font-size:28px;font-weight:bold;letter-spacing:4px;margin:0">${escapeHtml(code)}</p>`,
    ...(approves ? [`<p>${approves}</p><table cellpadding="4">${rows.join('')}</table>`] : []),
    `<p>${escapeHtml(advice)}</p>`,
    '</body></html>',
  ];
  return { subject, text: text.join('\n'), html: html.join('\n') };
}
