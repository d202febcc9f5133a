/** Versions of items that were named lately, so that what is on its way out isn't named twice. Forgets some, and early. */

/** A power of two. As many as may be on their way out at once, and more. */
const SLOTS = 2048;

export class NamedItems {
  private readonly versions = new Float64Array(SLOTS);

  /** A version is at least 1. */
  add(version: number): void {
    this.versions[version % SLOTS] = version;
  }

  has(version: number): boolean {
    return this.versions[version % SLOTS] === version;
  }

  clear(): void {
    this.versions.fill(0);
  }
}
