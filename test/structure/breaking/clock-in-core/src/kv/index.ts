/** Breaks the rule: replicas that ask their own clocks and dice differ. */
export const stamp = (): number => new Date().getTime() + Date.now() + Math.random();
