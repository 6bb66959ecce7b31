// Draws a QR code in this page. A service that draws pictures would learn the secret that is in it.

import { encode } from './vendor/uqr/index.mjs';

/** Readers need four light modules around the code (ISO/IEC 18004). */
const BORDER = 4;

export function drawQrCode(svg, text) {
  const { data } = encode(text, { ecc: 'M', border: BORDER });
  const modules = data.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  svg.setAttribute('viewBox', `0 0 ${data.length} ${data.length}`);
  svg.querySelector('path').setAttribute('d', modules.join(''));
}
