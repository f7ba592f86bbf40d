/** Makes one self-contained module of an agent's file, so that a version can be stored and run later as it was. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { type BuildFailure, build, type Message, stop } from 'esbuild';
import { AgentFileError } from './agent-file-error.ts';

/** An agent's code in one ES module. */
export interface Bundle {
  readonly source: string;
  /** SHA-256 of the source in hex. */
  readonly contentHash: string;
  /** Absolute paths of the files that went in, without those of installed packages. */
  readonly inputs: readonly string[];
}

// Bundled CommonJS packages call `require` for Node's own modules, which an ES module does not have.
// A module's own top-level `require` is renamed by esbuild.
const REQUIRE = `import { createRequire as __createRequire } from 'node:module';
var require = __createRequire(import.meta.url);`;

let building = 0;
let stopping: Promise<void> | null = null;

/**
 * The bundle of a file with everything it imports but Node's own modules.
 *
 * Equal files in an equal place give equal bytes. Throws AgentFileError with a reason for the author: a syntax
 * error, an import that is not found, a native addon (which cannot be stored with the version).
 */
export async function bundleFile(file: string): Promise<Bundle> {
  const folder = path.dirname(file);
  // A build that begins while esbuild stops would fail as if the file were broken.
  while (stopping !== null) await stopping;
  building += 1;
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [file],
      // Paths in the output are relative to this, so a copy of the folder elsewhere gives the same bytes.
      absWorkingDir: folder,
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      charset: 'utf8',
      logLevel: 'silent',
      banner: { js: REQUIRE },
    });
    const source = outputFiles.map((output) => output.text).join('');
    return {
      source,
      contentHash: createHash('sha256').update(source).digest('hex'),
      inputs: Object.keys(metafile.inputs)
        .filter((input) => !input.split('/').includes('node_modules'))
        .map((input) => path.resolve(folder, input)),
    };
  } catch (error) {
    throw isBuildFailure(error) ? new AgentFileError(error.errors.slice(0, 3).map(reasonOf).join('; ')) : error;
  } finally {
    building -= 1;
    // esbuild keeps a process for the next build, which may be days away.
    if (building === 0) stopping = stop().finally(endOfStop);
  }
}

function endOfStop(): void {
  stopping = null;
}

function reasonOf({ text, location }: Message): string {
  const native = /^No loader is configured for "\.node" files: (.*)$/.exec(text)?.[1];
  const reason =
    native === undefined
      ? text
      : `it imports the native addon ${native}, which cannot be stored with the agent's version`;
  return location === null ? reason : `${location.file}:${location.line}:${location.column + 1}: ${reason}`;
}

const isBuildFailure = (error: unknown): error is BuildFailure =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors);
