/** What a checker of the consensus core says: a promise of Raft was broken; `rule` names it. */
export class RaftViolation extends Error {
  override readonly name = 'RaftViolation';

  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(what);
  }
}
