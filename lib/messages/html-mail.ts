/** The parts of a mail, as plain text. `htmlMail` escapes each of them, and its caller escapes none. */
export interface MailParts {
  /** A BCP 47 tag. */
  readonly language: string;
  readonly subject: string;
  /** Empty for none. */
  readonly product: string;
  readonly heading: string;
  readonly code: string;
  /** The words before `approves`. */
  readonly approval: string;
  readonly approves: readonly string[];
  readonly validity: string;
  readonly advice: string;
}

const HTML_ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Scripts that are written from right to left (ISO 15924). */
const RIGHT_TO_LEFT = new Set(['Adlm', 'Arab', 'Hebr', 'Nkoo', 'Rohg', 'Syrc', 'Thaa']);
const FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
// The dark colours need `!important`, because the elements have the light colours in their `style` attributes, for clients that
// drop style sheets.
const STYLE = [
  ':root{color-scheme:light dark;supported-color-schemes:light dark}',
  '@media (prefers-color-scheme:dark){',
  '.page{background:#16181d !important}',
  '.card{background:#22252c !important}',
  '.words{color:#f1f3f5 !important}',
  '.soft{color:#b4bac3 !important}',
  '.code{background:#16181d !important;color:#f1f3f5 !important}',
  '}',
].join('');

/**
 * The HTML_ENTITIES of a mail, for narrow and wide windows and for light and dark colour schemes. It loads nothing from a server, and has
 * no link: people who are used to links in such mails would follow those of a forged one.
 */
export function htmlMail(parts: MailParts): string {
  const { language, product, code, approval, approves } = parts;
  return [
    `<!doctype html><html lang="${escapeHtml(language)}" dir="${directionOf(language)}"><head><meta charset="utf-8">`,
    '<meta name="viewport" content="width=device-width">',
    // Both schemes, so that a dark mail client chooses the colours itself instead of inverting some of them.
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    // Without it iOS makes a link to a phone number of the code, and a tap on the code calls a stranger.
    '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">',
    `<title>${escapeHtml(parts.subject)}</title><style>${STYLE}</style></head>`,
    '<body class="page" style="margin:0;background:#f1f3f5">',
    '<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f1f3f5"><tr><td align="center" style="padding:24px 12px">',
    '<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:480px;background:#ffffff;border-radius:12px"><tr>',
    `<td class="words" style="padding:28px 24px;${FONT};font-size:16px;line-height:1.5;color:#1f2329">`,
    ...(product === ''
      ? []
      : [`<p style="margin:0 0 16px;font-weight:bold">${escapeHtml(product)}</p>`]),
    `<h1 style="margin:0 0 12px;font-size:18px;font-weight:normal">${escapeHtml(parts.heading)}</h1>`,
    `<p class="code" dir="ltr" style="margin:0 0 20px;padding:14px 12px;border-radius:8px;background:#f1f3f5;color:#1f2329;font-size:30px;line-height:1.3;font-weight:bold;letter-spacing:4px;text-align:center;overflow-wrap:anywhere">${escapeHtml(code)}</p>`,
    ...(approves.length === 0
      ? []
      : [
          `<p style="margin:0 0 8px">${escapeHtml(approval)}</p>`,
          '<ul style="margin:0 0 20px;padding:0 24px">',
          ...approves.map(
            (line) =>
              `<li style="overflow-wrap:anywhere"><bdi><b>${escapeHtml(line)}</b></bdi></li>`,
          ),
          '</ul>',
        ]),
    `<p class="soft" style="margin:0;color:#5a626e">${escapeHtml(parts.validity)} ${escapeHtml(parts.advice)}</p>`,
    '</td></tr></table></td></tr></table></body></html>',
  ].join('\n');
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML_ENTITIES[character] ?? character);
}

function directionOf(language: string): 'ltr' | 'rtl' {
  const { script = '' } = new Intl.Locale(language).maximize();
  return RIGHT_TO_LEFT.has(script) ? 'rtl' : 'ltr';
}
