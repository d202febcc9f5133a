/** Breaks the rule: knows the database by itself. */
import { ClassicLevel } from 'classic-level';

export const Level = ClassicLevel;
