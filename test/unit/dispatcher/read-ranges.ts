/** The ranges of a frame. */
import { RangeReader, readFrame } from '#frames';

export function readRanges(frame: Buffer, onRange: (range: RangeReader) => void): void {
  readFrame(frame, new RangeReader(), { onRange, onAnswer: () => undefined });
}
