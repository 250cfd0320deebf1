/** lib/frames — the wire between owners and gateways: frames, answers, requests, interest. */
export * from './frame-channel.ts';
export * from './frame-reader.ts';
export * from './message-check.ts';
export * from './messages.ts';
export * from './names.ts';
export * from './operator-messages.ts';
