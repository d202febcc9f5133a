/**
 * What ends a local cluster from outside: Ctrl-C, a polite kill, a closed terminal, and, under `npm start`, the
 * death of the shell that npm put between (it doesn't pass a signal on).
 */
const PARENT_POLL_MS = 500;
/** One Ctrl-C may come twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;

export interface EndWatcher {
  /** The first time. */
  readonly onEnd: (why: string) => void;
  /** Asked again: no more patience. */
  readonly onEndNow: () => void;
}

/** Returns what takes the watching back. */
export function watchForEnd(watcher: EndWatcher): () => void {
  let askedAtMs: number | null = null;
  const ask = (why: string): void => {
    const nowMs = performance.now();
    if (askedAtMs === null) {
      askedAtMs = nowMs;
      watcher.onEnd(why);
    } else if (nowMs - askedAtMs > SAME_SIGNAL_MS) {
      watcher.onEndNow();
    }
  };
  const onInterrupt = (): void => ask('interrupted');
  const onTerminate = (): void => ask('asked to end');
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  process.on('SIGHUP', onTerminate);
  const unwatchParent =
    process.env['npm_lifecycle_event'] === undefined
      ? () => undefined
      : watchParent(() => {
          if (askedAtMs === null) ask('npm is gone');
        });
  return () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
    process.off('SIGHUP', onTerminate);
    unwatchParent();
  };
}

function watchParent(onGone: () => void): () => void {
  const parentPid = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parentPid) return;
    clearInterval(timer);
    onGone();
  }, PARENT_POLL_MS);
  return () => clearInterval(timer);
}
