/** What agents that projects store need of the world. */
import { createOutgoing, type Outgoing } from '../../src/agents/net/outgoing.ts';
import { createOutputChecker, type RunningOutputChecker } from '../../src/agents/output/output-checker.ts';
import { parseAllowedHost } from '../../src/domain/allowed-hosts.ts';
import { createSecretBox, type SecretBox } from '../../src/store/secret-box.ts';

export const TEST_SECRET_KEY = 'a-secret-key-for-tests';

/** A secret box of the tests' key, a checker of answers, and the way out to these private hosts besides public ones. */
export function outside(...allowed: readonly string[]): {
  secretBox: SecretBox;
  outgoing: Outgoing;
  outputs: RunningOutputChecker;
} {
  const entries = allowed.map((text) => {
    const entry = parseAllowedHost(text);
    if (entry === null) throw new Error(`${text} is no entry for the list of allowed hosts`);
    return entry;
  });
  return {
    secretBox: createSecretBox(TEST_SECRET_KEY),
    outgoing: createOutgoing(entries),
    outputs: createOutputChecker(),
  };
}
