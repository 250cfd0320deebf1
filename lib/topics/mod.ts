/** lib/topics — topic filters: index, matching, covering, shared names, topic templates. */
export { FilterIndex } from './filter-index.ts';
export { filtersOverlap } from './filter-overlap.ts';
export { filterCovers, isTopicFilter, isTopicName, topicMatchesFilter } from './topic-filter.ts';
export { isSharedFilter, parseShared, plainFilterOf } from './shared-filter.ts';
export type { SharedFilter } from './shared-filter.ts';
export { compileTemplate, expandTemplate } from './topic-template.ts';
export type { CompiledTemplate, TemplateIdentity, TopicTemplate } from './topic-template.ts';
export { topicKey } from './topic-key.ts';
export { TopicTree } from './topic-tree.ts';
