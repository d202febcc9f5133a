/** What a conformance suite needs of a world, real or simulated: events go on until something holds. */
export interface ConformanceWorld {
  /** Lets events happen until `condition` holds; fails with `what` when it does not come to hold. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Lets events happen for a while: for what must not happen. Simulated time is free, real time is not. */
  settle(): Promise<void>;
}

/** How long a real world may take: generous, since other work shares the machine. */
const REAL_LIMIT_MS = 15_000;

/** Real events: the condition is looked at after every turn of the event loop. */
export const realWorld: ConformanceWorld = {
  async until(what, condition) {
    const endMs = performance.now() + REAL_LIMIT_MS;
    while (!condition()) {
      if (performance.now() > endMs) throw new Error(`did not happen: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
  async settle() {
    await new Promise((resolve) => setTimeout(resolve, 200));
  },
};
