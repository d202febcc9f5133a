/** Level 6: decisions about the cluster. Today: its first state, where leaders should be, who replaces a suspect replica. */
export { nextShares, type NodeLimits, type ShardUse } from './memory-shares.js';
export { compareAddresses, foundingVersion, planGenesis, type GenesisOptions } from './genesis.js';
export { LeaderBalance } from './leader-balance.js';
export { nextStep, SuspectRepair } from './suspect-repair.js';
