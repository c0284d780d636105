import type { RequestKind } from '../../../src/mix/ports.ts'

/**
 * What a passive global observer sees, in the order of time (milliseconds). `frame` names one packet on one link
 * and inside a corrupt mix. An honest mix breaks the link between the frame that arrives and the one that leaves:
 * an observer must forget there whatever it attached to a frame.
 *
 * The observer is told what happens at the ends of a route (an origination, a request that reaches its courier, a
 * reply that starts, a delivery), most of which a real one would have to infer. In the middle of a route it is not
 * told requests from replies.
 */
export interface Observer {
  /** A node originates. `mayPublish` is false only where the publishing slot is public and this is another one. */
  emitted(frame: number, origin: number, at: number, mayPublish: boolean): void
  /** A frame reaches a mix that will pass it on. */
  arrived(frame: number, mix: number, at: number): void
  /** A mix passes a frame on. */
  departed(frame: number, mix: number, at: number): void
  /** A request reaches its courier. */
  arrivedAtCourier(frame: number, courier: number, at: number): void
  /** A reply reaches its last mix. */
  arrivedAtLast(frame: number, mix: number, at: number): void
  /**
   * A courier does what a request asks. An honest courier's echo cannot be seen. `publication`: a number when the
   * box belongs to a linked stream, else -1.
   */
  acted(frame: number, courier: number, at: number, kind: RequestKind, publication: number): void
  /** The courier sends the reply. */
  replied(frame: number, courier: number, at: number): void
  /** The last mix sends a reply to the node that asked. */
  delivered(frame: number, mix: number, node: number, at: number): void
}
