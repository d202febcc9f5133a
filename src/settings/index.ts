/** Level 1: settings of a node. */
export * from './schema.js';
export { addressSchema, isAddress } from './address-schema.js';
export { describeRespListener, RESP_ROUTINGS } from './resp-listeners.js';
export type { RespListener, RespRouting } from './resp-listeners.js';
export * from './names.js';
export * from './cluster-settings.js';
export { feedBytesMax, memoryPlan, tailBytesMax, type MemoryPlan } from './memory-plan.js';
export { describeByteSize, parseByteSize } from './byte-sizes.js';
export * from './addresses.js';
export { dataFolderOf, loadSettings } from './load.js';
export type { LoadedSettings, LoadResult, SettingOrigin, SettingsSources, SettingsText } from './load.js';
