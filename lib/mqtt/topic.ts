import type { PublishView } from './publish-view.ts';
export function topicKeyOf(view: PublishView): string {
  return view.buffer.latin1Slice(view.topicStart + 2, view.topicEnd);
}
export function topicFilterFault(_filter: string): string | undefined {
  return undefined;
}
