/** Redis' patterns over text, as CONFIG GET takes them: case doesn't count. The rules are those of `Glob`. */
import { encodeUtf8, Glob } from '../../base/index.js';

export function matchesGlob(pattern: string, text: string): boolean {
  return new Glob(encodeUtf8(pattern), 0, undefined, true).matches(encodeUtf8(text));
}
