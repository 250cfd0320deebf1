/**
 * Shared reports — what this gateway tells one partition's owner of shared subscriptions
 * (docs/adr/0013).
 *
 * Shape: windows, done and given back are collected over a turn and told in numbered reports, kept
 *        until the owner has heard them; without progress all of them are told again. Sections of
 *        the owner are taken in the order of their numbers only.
 * Known: what is done stays in mind until the owner has heard it and its durable checkpoint has
 *        passed it: another owner is told when it asks.
 */
import {
  encodePositions,
  type GatewayMessage,
  type GroupPositions,
  type HeldOfGroup,
} from '#frames';
import type { Position } from '#log';
import type { OwnerLink } from './owner-link.ts';

/** Reports are told again after so long without progress, ms. A round trip takes milliseconds. */
const TELL_AGAIN_MS = 500;
/** Positions in one report, and in one piece of an answer to hello: about 50 KiB. */
const POSITIONS_MAX = 10_000;
/** How often it is looked which positions the checkpoint has passed. */
const PRUNE_MS = 1_000;

type Report = Extract<GatewayMessage, { t: 'groups' }>;
type Positions = Map<string, Position[]>;

interface SentReport {
  readonly report: Report;
  readonly done: readonly (readonly [group: string, positions: readonly Position[]])[];
}

export interface SharedReportsOptions {
  readonly incarnation: string;
  readonly link: OwnerLink;
  readonly send: (message: GatewayMessage) => void;
  /** Something is to be told at the end of this turn. */
  readonly plan: () => void;
}

export class SharedReports {
  readonly #o: SharedReportsOptions;
  readonly #windows = new Map<string, number>();
  #done: Positions = new Map();
  #back: Positions = new Map();
  #count = 0;
  #sent: SentReport[] = [];
  #number = 0;
  #taken = 0;
  #takenTold = 0;
  #progressAtMs = 0;
  /** Heard, but above the durable checkpoint. */
  readonly #heard: Positions = new Map();
  #prunedAtMs = 0;
  #prunedTo: Position = 0;

  constructor(options: SharedReportsOptions) {
    this.#o = options;
  }

  /** The owner has heard everything. */
  get isTold(): boolean {
    return this.#count === 0 && this.#sent.length === 0;
  }

  setWindow(group: string, count: number): void {
    this.#windows.set(group, count);
    this.#o.plan();
  }
  done(group: string, position: Position): void {
    put(this.#done, group, position);
    this.#count++;
    this.#o.plan();
  }
  back(group: string, position: Position): void {
    put(this.#back, group, position);
    this.#count++;
    this.#o.plan();
  }

  /** A section has come. True: it is the next one. */
  takes(number: number): boolean {
    this.#o.plan();
    // One that came before is acknowledged again.
    this.#takenTold = -1;
    if (number !== this.#taken + 1) return false;
    this.#taken = number;
    return true;
  }

  /** What reports up to this number have caused is durable. */
  heard(number: number, nowMs: number): void {
    let count = 0;
    const { checkpoint } = this.#o.link;
    for (const { report, done } of this.#sent) {
      if (report.number > number) break;
      count++;
      for (const [group, positions] of done) {
        for (const position of positions) {
          if (position > checkpoint) put(this.#heard, group, position);
        }
      }
    }
    if (count === 0) return;
    this.#sent = this.#sent.slice(count);
    this.#progressAtMs = nowMs;
  }

  /** Tells what has come together. */
  flush(nowMs: number): void {
    if (!this.#o.link.isHeard) return;
    while (this.#count > 0 || this.#windows.size > 0 || this.#takenTold !== this.#taken) {
      this.#tell(nowMs);
    }
  }

  #tell(nowMs: number): void {
    const { incarnation: inc, link, send } = this.#o;
    if (this.#sent.length === 0) this.#progressAtMs = nowMs;
    const done = this.#takeFrom(this.#done, POSITIONS_MAX);
    const room = POSITIONS_MAX - done.reduce((sum, [, positions]) => sum + positions.length, 0);
    const report: Report = {
      t: 'groups',
      inc,
      epoch: link.epoch,
      number: ++this.#number,
      taken: this.#taken,
      windows: [...this.#windows],
      done: done.map(encoded),
      back: this.#takeFrom(this.#back, room).map(encoded),
    };
    this.#windows.clear();
    this.#takenTold = this.#taken;
    this.#sent.push({ report, done });
    send(report);
  }

  #takeFrom(positions: Positions, countMax: number): [string, Position[]][] {
    const taken: [string, Position[]][] = [];
    let room = countMax;
    for (const [group, all] of positions) {
      if (room === 0) break;
      const some = all.splice(0, room);
      if (all.length === 0) positions.delete(group);
      room -= some.length;
      taken.push([group, some]);
    }
    this.#count -= countMax - room;
    return taken;
  }

  /**
   * Another owner says hello: reports begin anew. What was not heard is told again; what was given
   * back it does not find among what is held. `windows`: of all groups.
   */
  ownerChanged(windows: Iterable<readonly [group: string, count: number]>): void {
    for (const { done } of this.#sent) {
      for (const [group, positions] of done) {
        for (const position of positions) put(this.#done, group, position);
        this.#count += positions.length;
      }
    }
    for (const positions of this.#back.values()) this.#count -= positions.length;
    this.#back = new Map();
    this.#sent = [];
    this.#number = 0;
    this.#taken = 0;
    this.#takenTold = 0;
    this.#windows.clear();
    for (const [group, count] of windows) this.#windows.set(group, count);
    if (this.#windows.size > 0 || this.#count > 0) this.#o.plan();
  }

  /** By group: what is done and may not be known to a new owner. */
  finished(): Map<string, Position[]> {
    const finished: Positions = new Map();
    const add = (group: string, positions: readonly Position[]): void => {
      for (const position of positions) put(finished, group, position);
    };
    for (const [group, positions] of this.#heard) add(group, positions);
    for (const { done } of this.#sent) for (const [group, positions] of done) add(group, positions);
    for (const [group, positions] of this.#done) add(group, positions);
    return finished;
  }

  tick(nowMs: number): void {
    const { link, send } = this.#o;
    if (this.#sent.length > 0 && nowMs - this.#progressAtMs >= TELL_AGAIN_MS && link.isHeard) {
      this.#progressAtMs = nowMs;
      for (const { report } of this.#sent) send({ ...report, taken: this.#taken });
    }
    const { checkpoint } = link;
    if (nowMs - this.#prunedAtMs < PRUNE_MS || checkpoint === this.#prunedTo) return;
    this.#prunedAtMs = nowMs;
    this.#prunedTo = checkpoint;
    for (const [group, positions] of this.#heard) {
      const open = positions.filter((position) => position > checkpoint);
      if (open.length === 0) this.#heard.delete(group);
      else this.#heard.set(group, open);
    }
  }
}

function put(positions: Positions, group: string, position: Position): void {
  const known = positions.get(group);
  if (known === undefined) positions.set(group, [position]);
  else known.push(position);
}

function encoded([group, positions]: [string, Position[]]): GroupPositions {
  return [group, encodePositions(positions)];
}

/** Pieces of what a gateway holds and has finished that fit a message each. */
export function helloPieces(
  held: ReadonlyMap<string, readonly Position[]>,
  finished: ReadonlyMap<string, readonly Position[]>,
): HeldOfGroup[][] {
  const pieces: HeldOfGroup[][] = [];
  let piece: HeldOfGroup[] = [];
  let room = POSITIONS_MAX;
  const add = (group: string, positions: readonly Position[], isHeld: boolean): void => {
    for (let at = 0; at < positions.length;) {
      const some = encodePositions(positions.slice(at, at + room));
      piece.push(isHeld ? [group, some, []] : [group, [], some]);
      at += some.length;
      // A text of the longest topic filter counts as some thousand positions.
      room -= some.length + (group.length >> 3);
      if (room > 0) continue;
      pieces.push(piece);
      piece = [];
      room = POSITIONS_MAX;
    }
  };
  for (const [group, positions] of held) add(group, positions, true);
  for (const [group, positions] of finished) add(group, positions, false);
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}
