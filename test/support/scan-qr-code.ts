// Reads a QR code from the screen, as a telephone does.
import { createRequire } from 'node:module';

import type jsQR from 'jsqr';
import type { Locator } from 'playwright-core';

const read = createRequire(import.meta.url)('jsqr') as typeof jsQR.default;

/** The text in the QR code that an element shows. */
export async function scanQrCode(element: Locator): Promise<string> {
  await element.scrollIntoViewIfNeeded();
  const picture = await element.screenshot();
  // A page of its own, because the policy of the page may refuse the picture.
  const blank = await element.page().context().newPage();
  const { data, width, height } = await blank.evaluate<{
    data: number[];
    width: number;
    height: number;
  }>(`(async () => {
    const image = new Image();
    image.src = 'data:image/png;base64,${picture.toString('base64')}';
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const drawing = canvas.getContext('2d');
    drawing.drawImage(image, 0, 0);
    const { data, width, height } = drawing.getImageData(0, 0, image.width, image.height);
    return { data: [...data], width, height };
  })()`);
  await blank.close();
  const found = read(Uint8ClampedArray.from(data), width, height);
  if (found === null) throw new Error('There is no QR code in the picture.');
  return found.data;
}
