/**
 * Keeps V8's memory for new objects at the size that it has at the start of the process. Else it grows to 32 MiB, and
 * is looked through only when it is full of objects, however many megabytes of buffers they hold: measured, a hundred
 * MiB of dead buffers at a time. More and shorter collections are the price (docs/decisions/0011-budgets.md).
 */
import v8 from 'node:v8';

export function holdYoungMemory(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}
