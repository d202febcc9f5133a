/** Reads test/data/resp: requests, and the bytes that Redis answered to each. */
import { readdirSync, readFileSync } from 'node:fs';
import { multibulk } from './resp-world.js';

export interface Exchange {
  /** As in the file, for messages. */
  readonly line: string;
  readonly request: string;
  readonly reply: string;
  /** The connection ended behind the reply. */
  readonly closes: boolean;
}

export interface Recording {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
}

const FOLDER = new URL('../../../data/resp/', import.meta.url);

export function loadRecordings(): Recording[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .flatMap((file) => parse(readFileSync(new URL(file, FOLDER), 'latin1')));
}

function parse(text: string): Recording[] {
  const recordings: { name: string; exchanges: Exchange[] }[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    if (line.startsWith('== ')) recordings.push({ name: line.slice(3), exchanges: [] });
    if (!line.startsWith('>')) continue;
    const reply = lines[++i] as string;
    const closes = lines[i + 1] === 'closed';
    const request = line.startsWith('>> ') ? unescapeText(line.slice(3)) : multibulk(...words(line.slice(2)));
    recordings.at(-1)?.exchanges.push({ line, request, reply: unescapeText(reply.slice(2)), closes });
  }
  return recordings;
}

/** Words between blanks; quotes keep blanks together and take escapes. */
export function words(text: string): string[] {
  const found = text.match(/"(?:[^"\\]|\\.)*"|[^ ]+/g) ?? [];
  return found.map((word) => (word.startsWith('"') ? unescapeText(word.slice(1, -1)) : word));
}

export function unescapeText(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|.)/g, (_whole, code: string) => {
    if (code.length === 3) return String.fromCharCode(parseInt(code.slice(1), 16));
    return { n: '\n', r: '\r', t: '\t' }[code] ?? code;
  });
}
