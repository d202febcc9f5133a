/** How much memory the process may use at all: the machine's, or what its container was given. */
import { totalmem } from 'node:os';

export function machineMemoryBytes(): number {
  const total = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < total ? constrained : total;
}
