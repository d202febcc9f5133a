/** What a loader of snapshots throws when it meets a format that only a newer program writes: not damage, another name. */
export class UnknownSnapshotFormat extends RangeError {
  constructor(format: number) {
    super(`snapshot: format version ${format} is unknown`);
  }
}
