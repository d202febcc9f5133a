/** Goal: whole conversations between replicas, word for word. Method: scripts in test/data/raft. */
import { testScripts } from '../../support/script-file.js';
import { RaftScript } from '../../support/raft-script.js';

testScripts('test/data/raft', () => {
  const script = new RaftScript();
  return (command) => script.run(command);
});
