/** Breaks the rule: a pure core with a timer, a process, a global of the browser's and a console. */
export function tick(): void {
  setTimeout(() => undefined, 1);
  queueMicrotask(() => undefined);
  console.log(process.pid, performance.now(), crypto.randomUUID(), Buffer.alloc(1));
}
