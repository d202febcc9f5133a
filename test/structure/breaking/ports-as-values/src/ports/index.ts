/** The world. */
export const PEER_CHANNELS = ['raft'];
