import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { toHex, utf8 } from '../../src/base/index.ts'
import { protocolId } from '../../src/net/protocol-id.ts'
import { NETWORK_TAG, PNET_KEY } from './test-nets.ts'

/** A member of the test network that keeps none of our rules: libp2p with the network key and nothing else. */
export class RawPeer {
  readonly libp2p: Libp2p

  private constructor(libp2p: Libp2p) {
    this.libp2p = libp2p
  }

  static async start(
    host: number,
    o: { ws?: boolean; refusesDial?: () => boolean } = {},
  ): Promise<RawPeer> {
    const psk = utf8(`/key/swarm/psk/1.0.0/\n/base16/\n${toHex(PNET_KEY)}`)
    return new RawPeer(
      await createLibp2p({
        addresses: { listen: [`/ip4/127.0.0.${host}/tcp/0${o.ws === true ? '/ws' : ''}`] },
        transports: [tcp(), webSockets()],
        connectionGater: { denyDialMultiaddr: () => o.refusesDial?.() ?? false },
        connectionProtector: preSharedKey({ psk }),
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
      }),
    )
  }

  get addresses(): string[] {
    return this.libp2p.getMultiaddrs().map((address) => address.toString())
  }

  dial(address: string): Promise<Connection> {
    return this.libp2p.dial(multiaddr(address))
  }

  /** Takes streams of one of our protocols and does with them what the test wants. */
  async take(protocol: string, onStream: (stream: Stream) => void): Promise<void> {
    await this.libp2p.handle(protocolId(NETWORK_TAG, protocol), onStream, {
      maxInboundStreams: 1_000,
    })
  }

  async stop(): Promise<void> {
    await this.libp2p.stop()
  }
}
