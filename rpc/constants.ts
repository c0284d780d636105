/** Longest request, in bytes: one NDJSON line, one WebSocket message or one HTTP body. */
export const MAX_REQUEST_BYTES = 1_048_576
/** Longest single result, in bytes. */
export const MAX_RESULT_BYTES = 8_388_608
/** Calls of one batch. */
export const MAX_BATCH = 50
/** Calls of one connection that are answered at the same time. */
export const MAX_IN_FLIGHT = 64
/** Nesting of params, counted in containers. */
export const MAX_DEPTH = 16
/** Bytes waiting in one connection's write buffer above which nothing is read from it. */
export const WRITE_BUFFER_BYTES = 1_048_576
/** Connections of one listener. */
export const MAX_CONNECTIONS = 256
/** Subscriptions of one connection. */
export const MAX_SUBSCRIPTIONS = 16
/** Items of one page. */
export const MAX_PAGE = 500
/** Items of a page when the caller does not say. */
export const DEFAULT_PAGE = 50
/** Events of a consumer that may be unacknowledged, when the caller does not say. */
export const DEFAULT_UNACKED = 256
/** Events of a consumer that may be unacknowledged, at most. */
export const MAX_UNACKED = 4_096
/** Events fetched from the journal in one step. */
export const EVENT_STEP = 64
/** Between two heartbeats of a subscription or comment pings of SSE, in milliseconds. */
export const HEARTBEAT_MS = 15_000
/** Longest wait of a waiting method, in milliseconds. */
export const MAX_WAIT_MS = 600_000
/** Issues listed in one INVALID_PARAMS error. */
export const MAX_ISSUES = 16
/** Text of a message, in UTF-16 code units. */
export const MAX_TEXT_CHARS = 65_536
/** Token of the cookie file, in random bytes. */
export const COOKIE_BYTES = 32
/** Failed authentications per window before the answer is 429. */
export const AUTH_FAILURES = 10
/** Window of the failed authentications, in milliseconds. */
export const AUTH_WINDOW_MS = 60_000
/** Time for the headers of an HTTP request, in milliseconds. */
export const HEADERS_TIMEOUT_MS = 10_000
/** Time for a whole HTTP request, in milliseconds. */
export const REQUEST_TIMEOUT_MS = 30_000
/** Headers of one HTTP request, in bytes. */
export const MAX_HEADER_BYTES = 16_384
/** Time that calls in flight have when the server stops, in milliseconds. */
export const STOP_GRACE_MS = 2_000
/** Longest path of a unix socket on Linux, in bytes. */
export const MAX_SOCKET_PATH_BYTES = 107
/** Events that a client's subscription holds before it stops reading. */
export const CLIENT_QUEUE = 256
/** Version of the API: major.minor; a minor only adds. */
export const API_VERSION = '1.0'
/** Oldest version of the API that a client of this daemon may speak. */
export const MIN_API_VERSION = '1.0'
/** WebSocket subprotocol. */
export const WS_PROTOCOL = 'hearsay.v1'
/** Prefix of the subprotocol entry that carries a browser's token. */
export const WS_TOKEN_PREFIX = 'hearsay.bearer.'
