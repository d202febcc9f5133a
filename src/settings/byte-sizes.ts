/**
 * Sizes as people give them: a whole number of bytes, or one with a unit. `kb`, `mb`, `gb`, `tb` (and `KiB` and so on)
 * are powers of 1024, bare `k`, `m`, `g`, `t` powers of 1000, as in Redis.
 */
const FORM = /^(\d{1,15})([kmgt]?)(b|ib)?$/i;
const POWERS = ['', 'k', 'm', 'g', 't'];

/** Null for what is no size, or too large to count in. */
export function parseByteSize(text: string): number | null {
  const match = FORM.exec(text.trim());
  if (match === null) return null;
  const [, digits = '', prefix = '', suffix = ''] = match;
  if (prefix === '' && suffix.length > 1) return null;
  const bytes = Number(digits) * (suffix === '' ? 1000 : 1024) ** POWERS.indexOf(prefix.toLowerCase());
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The shortest exact form. */
export function describeByteSize(bytes: number): string {
  for (let power = POWERS.length - 1; power > 0; power--) {
    const unit = 1024 ** power;
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${POWERS[power]}b`;
  }
  return String(bytes);
}
