/** Types of zip-entry.mjs. */

/** Content of the first entry whose name `matches`; undefined when there is none. */
export function readZipEntry(zip: Buffer, matches: (name: string) => boolean): Buffer | undefined;
