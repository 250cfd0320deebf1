/** All tables of bad input. */
import { CONNECT } from './connect.ts';
import { FRAMING } from './framing.ts';
import { PROPERTY_TABLE } from './property-table.ts';
import { PUBLISH } from './publish.ts';
import { REQUESTS } from './requests.ts';
import { STRINGS } from './strings.ts';
import type { BadInput } from './row.ts';

export const BAD_INPUT: Readonly<Record<string, readonly BadInput[]>> = {
  framing: FRAMING,
  strings: STRINGS,
  connect: CONNECT,
  publish: PUBLISH,
  requests: REQUESTS,
  'property table': PROPERTY_TABLE,
};
