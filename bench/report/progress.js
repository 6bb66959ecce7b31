const ERASE_LINE = '\u001b[2K\r';

/** One line on a terminal, which the next one replaces; nothing in a file. */
export function progress(text = '') {
  if (process.stderr.isTTY) process.stderr.write(ERASE_LINE + text);
}
