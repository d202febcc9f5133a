/**
 * What a node still waits for before it is ready. Asked several times a second (health checks), so it is worked out
 * anew only when something that it depends on moved: a role, a hint, the map, recovery.
 */
export class Readiness {
  private known: readonly string[] | null = null;

  constructor(private readonly find: () => readonly string[]) {}

  changed(): void {
    this.known = null;
  }

  /** In words; empty when the node is ready. */
  missing(): readonly string[] {
    return (this.known ??= this.find());
  }
}
