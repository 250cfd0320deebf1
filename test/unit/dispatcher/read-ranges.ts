/** The ranges of a frame. */
import { FrameReaders, type RangeReader, readFrame } from '#frames';

export function readRanges(frame: Buffer, onRange: (range: RangeReader) => void): void {
  const ignore = (): undefined => undefined;
  readFrame(frame, new FrameReaders(), {
    onRange,
    onPage: ignore,
    onQueuePage: ignore,
    onGroup: ignore,
    onAnswer: ignore,
  });
}
