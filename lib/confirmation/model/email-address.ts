const MAX_LENGTH = 254;
const MAX_LOCAL_LENGTH = 64;
/** RFC 5322's dot-atom, with letters beyond ASCII (RFC 6531): no quotes, comments, routes or lists. */
const LOCAL = /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const DOMAIN_LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u;

/** Whether a text is one plain mailbox at a named host, which every mail library reads in the same way. */
export function isEmailAddress(token: string): boolean {
  if (token.length > MAX_LENGTH) return false;
  const at = token.indexOf('@');
  const local = token.slice(0, at);
  const labels = token.slice(at + 1).split('.');
  const topLevel = labels.at(-1) ?? '';
  return (
    at > 0 &&
    local.length <= MAX_LOCAL_LENGTH &&
    LOCAL.test(local) &&
    labels.length >= 2 &&
    labels.every((label) => DOMAIN_LABEL.test(label)) &&
    !/^\d+$/.test(topLevel)
  );
}
