/** The import rule, by dependency-cruiser and the rules of `.dependency-cruiser.cjs`. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cruise } from 'dependency-cruiser';
import type { ICruiseOptions, ICruiseResult, IForbiddenRuleType } from 'dependency-cruiser';

import type { CheckResult } from './tree.js';
import { sourceFiles } from './tree.js';

interface Configuration {
  readonly forbidden: IForbiddenRuleType[];
  readonly options: ICruiseOptions & { readonly enhancedResolveOptions: Record<string, unknown> };
}

const configuration = createRequire(import.meta.url)('../../../.dependency-cruiser.cjs') as Configuration;

export async function checkImports(tree: string): Promise<CheckResult> {
  if (!existsSync(path.join(tree, 'src')) || sourceFiles(tree).length === 0)
    return { files: 0, problems: [] };
  const { enhancedResolveOptions, ...options } = configuration.options;
  const { output } = await cruise(
    ['src'],
    {
      ...options,
      baseDir: path.resolve(tree),
      validate: true,
      ruleSet: { forbidden: configuration.forbidden },
    },
    enhancedResolveOptions,
  );
  const { modules, summary } = output as ICruiseResult;
  return {
    files: modules.filter((module) => module.source.startsWith('src/')).length,
    problems: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  };
}
