/** Figures from a Prometheus text page. Pure. */

/** The sum over all label sets of a metric; null when the page doesn't have it. */
export function sumOfMetric(page: string, name: string): number | null {
  let sum: number | null = null;
  for (const line of page.split('\n')) {
    if (!line.startsWith(name)) continue;
    const found = /^([A-Za-z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line);
    if (found === null || found[1] !== name) continue;
    const value = Number(found[2]);
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}
