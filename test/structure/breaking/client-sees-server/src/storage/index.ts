/** The server's side. */
export const openLog = 1;
