/** Carries texts to the daemon and back. */
export interface Channel {
  send(text: string): void
  /** Stops and starts reading; what has arrived may still be delivered. */
  pause(): void
  resume(): void
  close(): void
}

export interface ChannelEvents {
  onText(text: string): void
  /** Called once, when the channel can carry nothing more. */
  onClose(reason: string): void
}

export type Connector = (events: ChannelEvents) => Promise<Channel>
