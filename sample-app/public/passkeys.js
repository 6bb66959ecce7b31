// Where passkeys work: they belong to one origin.

let origin = null;

/** @param passkeyOrigin The only origin whose pages can use passkeys; null when there is none. */
export function offerPasskeys(passkeyOrigin) {
  origin = passkeyOrigin;
  for (const link of document.querySelectorAll('[data-passkey-origin]')) {
    link.href = origin ?? '';
    link.textContent = origin ?? '';
  }
}

export const passkeyOrigin = () => origin;

export const canUsePasskeys = () => origin === location.origin && 'PublicKeyCredential' in window;
