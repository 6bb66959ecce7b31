/** Those that were asked for and can run here; the first one, which the others are compared with, always is. */
export function chosen(entries, { quick, contenders, servers }) {
  return entries.filter((entry, at) => {
    if (entry.needsRedis && servers.redis === null) return false;
    if (at === 0) return true;
    if (contenders !== null) return contenders.includes(entry.id);
    return !(quick && entry.isLeftOutByQuick);
  });
}
