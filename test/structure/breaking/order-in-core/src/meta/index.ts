/** Breaks the rule: orders that depend on the locale, or on the text of numbers. */
export const sorted = (names: number[]): number[] => names.sort();
export const compared = (a: string, b: string): number => a.localeCompare(b);
export const shown = (n: number): string => n.toLocaleString();
