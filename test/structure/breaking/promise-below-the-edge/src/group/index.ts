/** Breaks the rule: something can come between a check and its use. */
export async function apply(done: Promise<void>): Promise<void> {
  await done;
  done.then(() => undefined);
}
