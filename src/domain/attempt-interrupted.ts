/**
 * Thrown by an agent's runtime when a call was cut off for a reason that is not the item's: its thread was ended
 * because of a neighbour, or died under several calls at once. The engine calls again at once and charges nothing.
 */
export class AttemptInterrupted extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AttemptInterrupted';
  }
}
