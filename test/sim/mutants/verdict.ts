/**
 * What a failed run proves. Only a checker's word counts: an assertion of the product, a node that ended itself, a run
 * that got nowhere in time or a search that gave up would have failed without any checker, and prove nothing.
 */
export interface Catch {
  /** The checker, in words. */
  readonly checker: string;
  readonly what: string;
}

const SAFETY_RULES: Readonly<Record<string, string>> = {
  S1: 'one leader a term',
  S2: 'log matching',
  S3: 'committed never changes',
  S4: 'leader completeness',
  S5: 'state hash and order of apply',
  S6: 'acknowledged is committed',
};
const WHAT_SHOWN_MAX = 160;

/** The checker that caught the run, from its failure's text (`run.ts`); null when none did. */
export function judgeNodeRun(failure: string): Catch | null {
  const [, name, text] = /^(\w+): ([^]*)$/.exec(failure) ?? [];
  const what = (text ?? '').split('\n', 1)[0]?.slice(0, WHAT_SHOWN_MAX) ?? '';
  switch (name) {
    case 'SafetyViolation': {
      const checker = SAFETY_RULES[what.slice(0, 2)];
      return checker === undefined ? null : { checker, what };
    }
    case 'HistoryViolation':
      return what.includes(': undecided after') ? null : { checker: 'linearizability', what };
    case 'SdkViolation':
      return { checker: 'calls of the client', what };
    case 'ScanViolation':
      return { checker: 'walks of SCAN', what };
    case 'FeedViolation':
      return { checker: 'readers of change feeds', what };
    default:
      return null;
  }
}

const RULES_BROKEN = ['RaftViolation', 'GroupViolation', 'BirthViolation', 'DiskViolation'];

/** The same for the arenas whose checkers throw a rule. */
export function judgeThrown(error: unknown): Catch | null {
  if (!(error instanceof Error)) return null;
  if (!RULES_BROKEN.includes(error.name)) return null;
  const { rule } = error as Error & { readonly rule: string };
  return { checker: rule, what: error.message.slice(0, WHAT_SHOWN_MAX) };
}
