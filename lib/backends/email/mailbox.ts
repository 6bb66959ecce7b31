const ADDRESS = /^[^\s@<>,;:()"]+@[^\s@<>,;:()"]+$/;
const QUOTED = /^"[^"]*"$/;
const SPECIAL = /[<>,;:@()"]/;

/**
 * Whether a text is one mailbox: an address, or `Name <address>`. nodemailer reads a text without an address as a name, and then sends
 * with an empty return path, which many servers refuse; it reads a name with a comma as two mailboxes.
 */
export function isMailbox(text: string): boolean {
  if (!text.endsWith('>')) return ADDRESS.test(text.trim());
  const at = text.lastIndexOf('<');
  if (at === -1) return false;
  const name = text.slice(0, at).trim();
  return ADDRESS.test(text.slice(at + 1, -1)) && (QUOTED.test(name) || !SPECIAL.test(name));
}
