/** Level 6: decisions about the cluster. Today: its first state, and where leaders should be. */
export { compareAddresses, planGenesis, type GenesisOptions } from './genesis.js';
export { LeaderBalance } from './leader-balance.js';
