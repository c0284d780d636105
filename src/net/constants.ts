/** Version in every protocol id of this folder: `/hearsay/<network tag>/<name>/<NET_VERSION>`. */
export const NET_VERSION = 1
/** Length prefix of a request, a response and a link frame: unsigned, big-endian. */
export const FRAME_HEADER_BYTES = 4
/** Raw pre-shared key of the private network. */
export const PNET_KEY_BYTES = 32

/** Connections a node tries to hold open, when it knows that many nodes. */
export const TARGET_CONNECTIONS = 10
/** Connections of them that we made ourselves: who comes in was not chosen by us. */
export const TARGET_OUTBOUND = 4
/** Open connections of one peer; two nodes can dial each other at once. */
export const MAX_CONNECTIONS_PER_PEER = 4
/** Dials of one host, whoever named its addresses: a burst, then so many per second. */
export const DIALS_PER_HOST_BURST = 64
export const DIALS_PER_HOST_PER_SECOND = 2
/** Hosts whose dials or whose coming in is counted. */
export const MAX_COUNTED_HOSTS = 1_024
/** Hard limit of open connections; inbound ones above it are refused. A mix of the last layer is linked to everybody. */
export const MAX_CONNECTIONS = 768
/** Half-open inbound connections; with the upgrade timeout this bounds what slow strangers can hold. */
export const MAX_PENDING_INBOUND = 128
/** Inbound connections of one host at once, before its rate counts. */
export const INBOUND_PER_HOST_BURST = 20
/** Inbound connections per second and host, an IPv6 /64 being one: silent, they hold 70 places of 128. */
export const INBOUND_PER_HOST_PER_SECOND = 10
/** The same on the loopback interface, where a testnet is one host. */
export const INBOUND_ON_LOOPBACK_PER_SECOND = 200
/** Connections of one host, an IPv6 /64 being one, by peers that the directory does not know. */
export const MAX_STRANGERS_PER_HOST = 32
/** Simultaneous dials. */
export const MAX_PARALLEL_DIALS = 16
/** Dials waiting for a place among the parallel ones. */
export const MAX_DIAL_QUEUE = 128
/** Addresses tried per dial. */
export const MAX_ADDRESSES_PER_DIAL = 8
/** A whole dial: resolution, socket, handshakes. */
export const DIAL_TIMEOUT_MS = 8_000
/** One address of a dial. */
export const ADDRESS_DIAL_TIMEOUT_MS = 4_000
/** Private-network, Noise and muxer handshakes of an inbound connection. */
export const UPGRADE_TIMEOUT_MS = 5_000
/** Choosing the protocol of one stream. */
export const NEGOTIATION_TIMEOUT_MS = 5_000
/** Keep-alive ping of an idle connection. */
export const PING_INTERVAL_MS = 15_000
/** A socket silent for this long is closed. */
export const SOCKET_INACTIVITY_MS = 120_000

/** Streams one connection may hold open in each direction, all protocols together. */
export const MAX_STREAMS_PER_CONNECTION = 256
/** Bytes one stream may send before the receiver has read any. The muxer's minimum. */
export const STREAM_WINDOW_BYTES = 262_144
/** Largest window the muxer grows a stream to. */
export const MAX_STREAM_WINDOW_BYTES = 1_048_576
/** Unread bytes of one stream before it is reset. */
export const MAX_READ_BUFFER_BYTES = 2_097_152

/** Largest request or response any protocol may declare. */
export const MAX_FRAME_BYTES = 4_194_304
/** Outgoing requests in flight to one peer. */
export const MAX_REQUESTS_PER_PEER = 16
/** Outgoing requests in flight in total. */
export const MAX_REQUESTS = 128
/** Longest wait of a peer whose budget of requests is empty; beyond it the request fails. */
export const MAX_BUDGET_WAIT_MS = 10_000
/** Peers whose budget of requests is remembered. */
export const MAX_BUDGETED_PEERS = 1_024
/** Incoming requests being answered in total. */
export const MAX_ANSWERS = 128
/** Of these, requests of peers that the directory does not know: keys cost nothing. */
export const MAX_ANSWERS_TO_STRANGERS = 32
/** The question of an incoming request must be complete within this time. */
export const QUESTION_TIMEOUT_MS = 5_000
/** An incoming request must be complete, answered and taken within this time. */
export const ANSWER_TIMEOUT_MS = 20_000
/** Bytes queued on one link before frames are dropped. */
export const LINK_BUFFER_BYTES = 262_144
/** A link that is closed may take this long to hand over what is queued. */
export const LINK_CLOSE_MS = 5_000

/** First wait after a failed dial of one node. */
export const RECONNECT_FIRST_MS = 500
/** Longest wait after failed dials of one node. */
export const RECONNECT_MAX_MS = 30_000
/** Pause between two looks at the number of connections. */
export const RECONNECT_TICK_MS = 1_000
/** Nodes whose dial failures are remembered. */
export const MAX_BACKOFF_ENTRIES = 4_096

/** What a helper brings back to show that it came by itself. */
export const DIAL_BACK_NONCE_BYTES = 16
/** Longest address that a helper is asked to dial, as in the directory. */
export const MAX_DIAL_BACK_ADDRESS_BYTES = 128
/** A question for a dial back at its longest: nonce, count, addresses with their lengths. */
export const DIAL_BACK_REQUEST_BYTES =
  DIAL_BACK_NONCE_BYTES + 1 + MAX_ADDRESSES_PER_DIAL * (2 + MAX_DIAL_BACK_ADDRESS_BYTES)
/** Dials for others at one time. */
export const MAX_DIAL_BACKS = 4
/** Dials for one other node before it has to wait. */
export const DIAL_BACKS_PER_PEER_BURST = 4
/** After the burst, one dial for a node in this time. */
export const DIAL_BACK_PAUSE_MS = 60_000
/** The helper must get its nonce across within this time after its dial. */
export const DIAL_BACK_NONCE_MS = 4_000
/** Nodes asked in one round. */
export const REACHABILITY_HELPERS = 3
/** Helpers that must agree, where so many known nodes are connected. */
export const REACHABILITY_VOTES = 2
/** Rounds that must fail before a node that could be dialled says that it cannot. */
export const REACHABILITY_FAILED_ROUNDS = 2
/** Pause between two looks for somebody to ask. */
export const REACHABILITY_TICK_MS = 1_000
/** From the first known node to the first round, so that others to ask have come too. */
export const REACHABILITY_SETTLE_MS = 3_000
/** First wait after a round that was bad or decided nothing; it doubles. */
export const REACHABILITY_RETRY_MS = 15_000
/** Pause between rounds that confirm, and the longest of all. */
export const REACHABILITY_CHECK_MS = 600_000

/** Size of a Kademlia bucket, and how many nodes a look-up returns. */
export const KAD_BUCKET_SIZE = 20
/** Parallel queries of a look-up. */
export const KAD_ALPHA = 4
/** Kademlia streams per connection and direction. */
export const KAD_STREAMS_PER_CONNECTION = 16

/** Wanted mesh peers per topic. */
export const MESH_DEGREE = 6
/** Below it the mesh is filled up. */
export const MESH_DEGREE_LOW = 4
/** Above it the mesh is cut back. */
export const MESH_DEGREE_HIGH = 10
/** Kept by score when the mesh is cut back. */
export const MESH_DEGREE_SCORE = 4
/** Mesh peers that we dialled ourselves: inbound Sybils cannot fill the mesh. */
export const MESH_DEGREE_OUTBOUND = 2
/** Peers outside the mesh that are told which messages exist. */
export const MESH_DEGREE_LAZY = 6
/** Pulse of mesh maintenance. */
export const HEARTBEAT_MS = 1_000
/** How long a message id is remembered. */
export const SEEN_TTL_MS = 180_000
/** Largest gossip frame, control messages included. */
export const MAX_GOSSIP_FRAME_BYTES = 262_144
/** Bytes queued to one gossip peer before its stream is closed. */
export const MAX_GOSSIP_OUTBOUND_BYTES = 1_048_576
/** A message of a mesh peer still counts when it comes this long after the first copy. */
export const MESH_DELIVERY_WINDOW_MS = 1_000
/** Below it a peer neither gets nor gives message lists. */
export const GOSSIP_THRESHOLD = -10
/** Below it a peer gets no own publications. */
export const PUBLISH_THRESHOLD = -40
/** Below it nothing of a peer is read. */
export const GRAYLIST_THRESHOLD = -80
/** How long the score of a peer that has gone is kept. */
export const RETAIN_SCORE_MS = 300_000
/** Half-life of the penalties that other modules impose on a peer. */
export const PENALTY_HALF_LIFE_MS = 60_000
/** Half-life of the penalty for a mesh place that brought nothing: the place must stay lost for a while. */
export const MESH_PENALTY_HALF_LIFE_MS = 300_000
/** Peers whose penalties are remembered. */
export const MAX_PENALISED_PEERS = 4_096
