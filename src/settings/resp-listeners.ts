/**
 * RESP listeners as people give them: `HOST:PORT[,routing=forward|moved][,advertise=HOST:PORT]`, several of them
 * separated by blanks; in quorate.yaml also a list of such texts, or of objects with `address`, `routing`, `advertise`.
 */
import { addressSchema } from './address-schema.js';

/**
 * What a listener does with a command for a shard that another node leads: `forward` passes it on and answers,
 * `moved` tells the client where to go, as Redis Cluster does.
 */
export const RESP_ROUTINGS = ['forward', 'moved'] as const;
export type RespRouting = (typeof RESP_ROUTINGS)[number];

export interface RespListener {
  /** HOST:PORT to listen on. */
  readonly address: string;
  readonly routing: RespRouting;
  /** HOST:PORT that others are told; empty: follows from `address` and `advertiseHost`. */
  readonly advertise: string;
}

export const RESP_LISTENERS_MAX = 16;

const FORM = 'HOST:PORT[,routing=forward|moved][,advertise=HOST:PORT]';
const OPTIONS = new Set(['address', 'routing', 'advertise']);

export type ListenersResult =
  | { readonly ok: true; readonly listeners: readonly RespListener[] }
  | { readonly ok: false; readonly problem: string };

/** Takes one text, a list of texts or objects, or what `loadSettings` stored. */
export function readRespListeners(value: unknown): ListenersResult {
  const items: readonly unknown[] =
    typeof value === 'string' ? splitListeners(value) : Array.isArray(value) ? value : [value];
  if (items.length === 0) return { ok: false, problem: `expected ${FORM}` };
  if (items.length > RESP_LISTENERS_MAX) {
    return { ok: false, problem: `expected at most ${RESP_LISTENERS_MAX} listeners` };
  }
  const listeners: RespListener[] = [];
  for (const item of items) {
    const read = typeof item === 'string' ? fromText(item) : fromObject(item);
    if (typeof read === 'string') return { ok: false, problem: read };
    listeners.push(read);
  }
  return { ok: true, listeners };
}

export function splitListeners(text: string): string[] {
  return text.split(/\s+/).filter((part) => part !== '');
}

/** As given: for logs and for starting a node again. */
export function describeRespListener({ address, routing, advertise }: RespListener): string {
  return `${address}${routing === 'forward' ? '' : `,routing=${routing}`}${advertise === '' ? '' : `,advertise=${advertise}`}`;
}

/** A listener, or what is wrong with it. */
function fromText(text: string): RespListener | string {
  const [address = '', ...options] = text.split(',');
  const fields: Record<string, string> = { address };
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = option.slice(0, Math.max(0, equals));
    if (name !== 'routing' && name !== 'advertise') {
      return `expected ${FORM}; "${option}" is neither routing=… nor advertise=…`;
    }
    if (name in fields) return `expected ${name} once, in "${text}"`;
    fields[name] = option.slice(equals + 1);
  }
  return fromObject(fields);
}

function fromObject(value: unknown): RespListener | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `expected ${FORM}`;
  const stranger = Object.keys(value).find((name) => !OPTIONS.has(name));
  if (stranger !== undefined) return `expected address, routing and advertise, not "${stranger}"`;
  const { address, routing = 'forward', advertise = '' } = value as Record<string, unknown>;
  const parsed = addressSchema.safeParse(address);
  if (!parsed.success) return `expected ${FORM}; ${reasonOf(parsed.error)}`;
  if (!isRouting(routing)) return `expected routing=forward or routing=moved, not ${JSON.stringify(routing)}`;
  if (advertise !== '') {
    const told = addressSchema.safeParse(advertise);
    if (!told.success) return `advertise: ${reasonOf(told.error)}`;
    if (told.data.endsWith(':0')) return 'advertise: expected a port from 1 to 65535';
    return { address: parsed.data, routing, advertise: told.data };
  }
  return { address: parsed.data, routing, advertise: '' };
}

function isRouting(value: unknown): value is RespRouting {
  return RESP_ROUTINGS.some((routing) => routing === value);
}

function reasonOf(error: { readonly issues: readonly { readonly message: string }[] }): string {
  return error.issues[0]?.message ?? 'expected HOST:PORT';
}
