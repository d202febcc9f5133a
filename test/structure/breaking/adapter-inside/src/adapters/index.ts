/** What roots alone may import. */
export const systemClock = 1;
