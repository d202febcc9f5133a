/** Level 1: settings of a node. */
export * from './schema.js';
export * from './names.js';
export * from './addresses.js';
export { dataFolderOf, loadSettings } from './load.js';
export type { LoadedSettings, LoadResult, SettingOrigin, SettingsSources, SettingsText } from './load.js';
