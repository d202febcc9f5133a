/** What a core must not know. */
export const turn = 1;
