/** The bounds of what travels: the gateway's HTTP, the control socket, the exchange of files, the swarm and its watchdog. Part of limits.ts. */

const KIB = 1024
const MIB = 1024 * KIB

// Gateway (HTTP on this machine)
/** Open connections. apt uses one per host; the rest is head room for other machines of a household. */
export const GATEWAY_CONNECTIONS_MAX = 256
/** Requests of one connection that wait or run. apt pipelines 10. */
export const GATEWAY_PIPELINE_MAX = 64
/** Time for the headers of a request to arrive. */
export const GATEWAY_HEADERS_MS_MAX = 10_000
/** Bytes of the headers of a request; apt sends about 300. */
export const GATEWAY_HEADER_BYTES_MAX = 16 * KIB
/** An idle connection stays open this long: apt verifies an InRelease before it asks for the indexes. */
export const GATEWAY_KEEP_ALIVE_MS = 120_000
/** Wait for the first byte of an answer; apt gives up by itself after 30 s and would not see our reason. */
export const GATEWAY_FIRST_BYTE_MS_MAX = 25_000
/** Wait in the middle of a body for the next bytes, or for a client that does not read. */
export const GATEWAY_STALL_MS_MAX = 120_000
/** What a client is told to wait before it asks again for something that could not be fetched. */
export const GATEWAY_RETRY_AFTER_S = 30
/** Ranges in one request; each costs a part header and a read of its own. */
export const GATEWAY_RANGES_MAX = 16
/** A request target, and the decoded path in it. Debian's longest Filename has about 150 bytes. */
export const GATEWAY_PATH_BYTES_MAX = 2048
/** The part after `@` in the first segment of a request path: a number, a time or a tag. */
export const GATEWAY_WHEN_BYTES_MAX = 128
/** Bytes handed to a socket at once; what a response buffers is this plus the socket's own buffer. */
export const GATEWAY_WRITE_BYTES_MAX = 256 * KIB
/** Clients remembered beyond their connection, and for how long after their last request. */
export const GATEWAY_PINS_MAX = 1024
/** A pin is forgotten this long after the last request of its client, in milliseconds. */
export const GATEWAY_PIN_IDLE_MS = 60 * 60 * 1000
/** Releases of one channel in which a file missing from a client's own release is looked for. */
export const GATEWAY_RECENT_RELEASES_MAX = 8
/** Resolved releases kept open; a release not among them is resolved again by its number. */
export const GATEWAY_RELEASES_MAX = 32

// Control socket
/** One request line from a command to the daemon. */
export const CONTROL_LINE_BYTES_MAX = 1 * MIB
/** One reply line: the difference of two snapshots of Debian main may name 60,000 packages. */
export const CONTROL_REPLY_BYTES_MAX = 64 * MIB
/** Connections, and operations at once on one of them. */
export const CONTROL_CONNECTIONS_MAX = 64
/** Operations at once on one control connection. */
export const CONTROL_OPERATIONS_MAX = 64
/** Bytes waiting in a socket above which events and replies wait for the client to read. */
export const CONTROL_BUFFER_BYTES_MAX = 1 * MIB
/** Events of one connection that wait for the client to read; one more ends the operation that made it. */
export const CONTROL_EVENTS_MAX = 1024
/** A command that Freshet runs for its user has this long to end after SIGTERM, in milliseconds. */
export const COMMAND_KILL_MS = 5_000
/** A path of a Unix domain socket (sun_path without its NUL, Linux; macOS has 103). */
export const SOCKET_PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107

// HTTP GET (protocols/http-get.ts)
/** Connections to one host, of imports and mirrors together. */
export const HTTP_CONNECTIONS_PER_HOST_MAX = 8
/** A connection that nobody uses is kept this long, in milliseconds; most servers close it after five seconds. */
export const HTTP_IDLE_MS = 4_000
/** Bytes of an error page or redirect that are read rather than that a connection is made anew. */
export const HTTP_DISCARDED_BYTES_MAX = 16 * KIB

// HTTP mirrors (protocols/mirror-client.ts)
/** Peers have this long to give a piece before mirrors are asked as well, in milliseconds: two round trips around the world. */
export const MIRROR_AFTER_MS = 200
/** Mirrors that one transfer asks at once: one may be slow and another wrong, and nobody should pay for more. */
export const MIRRORS_PER_TRANSFER = 2
/** Requests to one mirror at once, each on a connection of its own: what a browser allows itself with HTTP/1.1. */
export const MIRROR_CONNECTIONS_MAX = 4
/** Wait for the next bytes of a mirror, in milliseconds. */
export const MIRROR_STALL_MS = 5_000
/** A mirror must deliver MIRROR_WINDOW_BYTES_MIN in this time, in milliseconds, or all that it was asked for. */
export const MIRROR_WINDOW_MS = 5_000
/** What a mirror must deliver in a window, in bytes: 8 KiB/s, as peers must. */
export const MIRROR_WINDOW_BYTES_MIN = 40 * KIB
/** Redirects that one request to a mirror may follow. */
export const MIRROR_REDIRECTS_MAX = 5
/** Bytes that are read and dropped where a mirror answers a range with the whole file: reading more costs more than it brings. */
export const MIRROR_SKIP_BYTES_MAX = 4 * MIB
/** A mirror that failed is left alone for this long, in milliseconds, doubling with every failure in a row. */
export const MIRROR_BACKOFF_MS_MIN = 1_000
/** Longest time that a mirror is left alone, in milliseconds, also where its Retry-After says more: an hour. */
export const MIRROR_BACKOFF_MS_MAX = 3_600_000
/** Artifacts of which a mirror may give other bytes before it is not asked for anything for MIRROR_BACKOFF_MS_MAX. */
export const MIRROR_WRONG_MAX = 3
/** Artifacts remembered of each mirror because it gave other bytes; the oldest is forgotten first. */
export const MIRROR_WRONG_KEPT = 64
/** Mirrors that scores are kept of; the one that was not used for the longest goes first. */
export const MIRRORS_SCORED_MAX = 1024

// Swarm (protocols/swarm.ts)
/** Connections of one node, dialled and accepted; 80 KB each. */
export const CONNECTIONS_MAX = 64
/** Accepted from one address other than loopback: a crowd behind one NAT is smaller, a flood is not. */
export const CONNECTIONS_PER_ADDRESS_MAX = 8
/** Below this many connections a topic is looked up again: first after, then doubling up to. */
export const PEERS_WANTED = 8
/** First pause before a topic is looked up again, in milliseconds. */
export const LOOKUP_DELAY_MS_MIN = 1_000
/** Longest pause between look-ups of a topic, in milliseconds. */
export const LOOKUP_DELAY_MS_MAX = 60_000
/** A dropped peer is not connected to for this long, doubling with every further drop. */
export const DROP_BACKOFF_MS_MIN = 5_000
/** Longest time that a peer stays dropped, in milliseconds: an hour. */
export const DROP_BACKOFF_MS_MAX = 3_600_000
/** Dropped peers that are remembered; the oldest is forgotten first. */
export const DROPPED_PEERS_MAX = 1024
/** Closing waits this long for the network to take the announcements back. */
export const SWARM_CLOSE_MS = 3_000

// Local network (protocols/lan/)
/** UDP port of multicast DNS (RFC 6762). */
export const MDNS_PORT = 5_353
/** Interfaces that nodes are looked for on: wired, wireless, and some bridges of containers. */
export const LAN_LINKS_MAX = 8
/** Interfaces are looked at so often, in milliseconds: plugging a cable in takes as long. */
export const LAN_LOOK_MS = 10_000
/** Channels that come within so many milliseconds are announced together. */
export const LAN_CHANGE_MS = 100
/** A node has one name on the local network for so long, in milliseconds: a new one costs two packets. */
export const LAN_NAME_MS = 900_000
/** Channels that one advert names: 640 bytes of a packet that fits into one frame. */
export const LAN_CHANNELS_MAX = 16
/** One string of a TXT record (RFC 6763, section 6.1). */
export const TXT_STRING_BYTES_MAX = 255
/** The largest packet that is parsed: an advert has at most 1.1 kB, and goes alone. */
export const LAN_PACKET_BYTES_MAX = 2 * KIB
/** Bytes a second of packets that are parsed on one interface: a busy office says 25 kB, and 128 kB cost 1 % of a core. */
export const LAN_BYTES_PER_S_MAX = 128 * KIB
/** What a packet counts for at least: the smallest cost as much to parse as some hundred bytes. */
export const LAN_PACKET_COST_BYTES = 256
/** Nodes read from one packet; each announces itself. */
export const LAN_SERVICES_PER_PACKET_MAX = 4
/** Channels a second that adverts are compared with, some 20 µs each: a node of twenty channels takes in a hundred nodes a second. */
export const LAN_COMPARISONS_PER_S_MAX = 2_000
/** Answers on one interface come no faster, in milliseconds (RFC 6762, section 6). */
export const LAN_ANSWER_MS = 1_000
/** First pause between two questions, in milliseconds; doubled every time (RFC 6762, section 5.2). */
export const LAN_QUERY_MS_MIN = 1_000
/** Longest such pause, in milliseconds: an hour. Who comes announces himself. */
export const LAN_QUERY_MS_MAX = 3_600_000
/** Nodes of the local network that are remembered: as many as connections. */
export const LAN_FOUND_MAX = 64
/** Of one address: machines run few nodes, and a flood of invented ones ends here. */
export const LAN_FOUND_PER_ADDRESS_MAX = 4
/** For how long, in milliseconds, after they were last connected to. */
export const LAN_FOUND_MS = 600_000
/** A node is connected to again no sooner, in milliseconds. */
export const LAN_REPEAT_MS = 30_000

// TCP lines (protocols/tcp-lines.ts)
/** How long the peer with the larger key leaves dialling to the other, in milliseconds: a handshake around the world and back. */
export const LINE_TURN_MS = 1_000
/** Bulk waits so long for a first line, in milliseconds; one that comes later is taken up then. */
export const LINE_MS = 2_000
/** Pause before a line that was lost, or did not come about, is tried again, in milliseconds: doubled each time. */
export const LINE_RETRY_MS_MIN = 5_000
/** Longest such pause, in milliseconds; a line that stood for so long may be tried again as often as a new one. */
export const LINE_RETRY_MS_MAX = 600_000
/** Dials to one peer, the first one included, while no line lasts: over eleven minutes. A NAT that let none in will not change. */
export const LINE_DIALS_MAX = 8
/** Changes of what carries bulk at once; after that two in every LINE_RETRY_MS_MIN: a line that comes and goes. */
export const LINE_TURNS_BURST = 8
/** A line on which nothing comes is probed after this, in milliseconds: a NAT may have forgotten it. */
export const LINE_KEEP_ALIVE_MS = 10_000
/** Accepted sockets that have not shown who they are; 64 half-open ones cost a megabyte. */
export const LINE_HANDSHAKES_MAX = 64
/** Such sockets of one address other than loopback: as many as it may have connections. */
export const LINE_HANDSHAKES_PER_ADDRESS_MAX = 8
/** Bytes of a socket before its handshake is over: the one message that it needs has 99. */
export const LINE_HANDSHAKE_BYTES_MAX = 1 * KIB
/** Lines that one peer dialled and that carry nothing: it dials one after the other, and one may be stuck. */
export const LINES_IDLE_PER_PEER_MAX = 2
/** Largest port number of TCP. */
export const PORT_MAX = 65_535

// Watchdog (protocols/watchdog.ts)
/** An unanswered upgrade request is repeated to another peer after this, and to one more after every further step. */
export const UPGRADE_HEDGE_MS = 250
/** Pause before an upgrade is asked of one more peer, in milliseconds. */
export const UPGRADE_HEDGE_STEP_MS = 100
/** A peer that announced a longer log and did not deliver it is dropped; the time doubles for a peer dropped before. */
export const UPGRADE_STALL_MS = 1_500
/** Longest patience with a slow peer that was dropped before, in milliseconds. */
export const UPGRADE_STALL_MS_MAX = 30_000

// Exchange of bundles (protocols/exchange/)
/** What is asked of a peer that has brought nothing right yet: all that it can spoil before it is known. */
export const FIRST_ASK_BYTES = 64 * KIB
/** Pieces asked in advance of such a peer: it may only say that it is getting them. */
export const FIRST_EXPECTED_PIECES = 1
/** What is asked of a peer before its rate is known: one piece, 65 ms of a line of 32 Mbit/s. */
export const ASK_AHEAD_BYTES_MIN = 256 * KIB
/** Bytes asked of one peer and not yet here: fills 100 ms of a line of 320 Mbit/s. */
export const ASK_AHEAD_BYTES_MAX = 4 * MIB
/** How far ahead of its rate a peer is asked, on top of the round trip: as long as word of a new block may take. */
export const ASK_AHEAD_MS = 250
/** Pieces asked of a peer that is about to get them: more than one origin hands to one peer. */
export const EXPECTED_PIECES_MAX = 64
/** Blocks that one peer may have asked of us and not got: the bytes of ASK_AHEAD_BYTES_MAX and its expected pieces. */
export const BLOCKS_ASKED_MAX = 2_048
/** Word of new blocks waits so long for company: a frame for each would cost more than the blocks' own headers. */
export const HAVE_DELAY_MS = 50
/** Between two such frames to peers that want something themselves: a node sends some forty a second, however many they are. */
export const HAVE_INTERVAL_MS = 25
/** Longest such wait: the part of ASK_AHEAD_MS that it may take. */
export const HAVE_DELAY_MS_MAX = 300
/** A peer that sends nothing of what was asked for so long, or for a few times as long as others take between two blocks, has stalled. */
export const STALLED_MS = 1_000
/** Longest patience with it: some thirty peers that share one Mbit/s. */
export const STALLED_MS_MAX = 4_000
/** How many times as long as others. */
export const STALLED_FACTOR = 4
/** Nothing is asked of a peer that stalled for this long; doubled each time. */
export const STALLED_PAUSE_MS = 5_000
/** Longest such pause. */
export const STALLED_PAUSE_MS_MAX = 80_000
/** A block is asked of another peer instead when that one brings it so much earlier: less would be a guess. */
export const HEDGE_MS = 250
/** A peer of the local network of whom a block is here so soon is asked before all others: what is slower is worth no more than they. */
export const NEAR_MS = 1_000
/** Copies among all peers below which a piece is handed to one of them alone, and not offered to all. */
export const RARE_COPIES_MAX = 3
/** Blocks handed to one peer and not sent yet, above which it is handed nothing more: the next are asked for before the line falls silent. */
export const HANDED_AHEAD_BLOCKS = 17
/** A piece that was handed out and has not spread further for so long is handed to another, or offered to all. */
export const HANDED_STUCK_MS = 700

// Bundles (schemas/bundle-files.ts); both are constants of the format
/** Files of one bundle of several files, in bytes. A larger file is a bundle of its own. */
export const BUNDLE_BYTES_MAX = 1024 * MIB
export const BUNDLE_FILES_MAX = 1_024

// Frames of an exchange (protocols/exchange-frames.ts)
/** Piece hashes asked for at once: 32 KiB of answer. */
export const LAYER_HASHES_MAX = 1_024
/** Map of the blocks of the largest bundle, bit by bit: one file of ARTIFACT_BYTES_MAX. */
export const BUNDLE_MAP_BYTES_MAX = 128 * KIB + 1
/** Numbers in one word of new blocks or wanted pieces: two for each run. More go into the next word. */
export const HAVE_RUNS_MAX = 512
/** Blocks that one such word may name: a run costs its sender five bytes, and its reader a step for each block. */
export const HAVE_BLOCKS_MAX = 8_192
/** As HAVE_RUNS_MAX, for pieces. */
export const WANT_RUNS_MAX = 512
/** Bundles that one peer may have open on a connection. */
export const BUNDLES_PER_PEER_MAX = 512
/** Bundles of one node: each takes some kB, and its maps for every peer. */
export const BUNDLES_ACTIVE_MAX = 2_048
/** Descriptions of bundles being read for one peer: what it opens beyond that is declined. */
export const BUNDLES_DESCRIBED_MAX = 32
/** A bundle that nobody here fetches and nobody asks for is put away after this. */
export const BUNDLE_IDLE_MS = 10_000
/** How often a bundle that is being fetched is opened again to peers who declined it, or put it away. */
export const REOPEN_MS = 2_000
/** How often the exchanges of a node look at the clock. */
export const EXCHANGE_TICK_MS = 50
/** Bytes of whole pieces kept in memory for who asks next: each piece is asked for by several peers within moments. */
export const SERVED_PIECES_BYTES = 4 * MIB
/** Peers asked for the piece hashes of one file at a time. */
export const LAYER_ASKS_MAX = 2
/** Who does not answer that in time is passed over. */
export const LAYER_ASK_MS = 3_000
/** Asks of peers for piece hashes that are not here yet, of one bundle. */
export const LAYER_ASKS_WAITING_MAX = 1_024
/** Time between two measurements of a round trip. */
export const PING_MS = 15_000
/** Taken for the round trip of a line until it was measured. */
export const ROUND_TRIP_MS = 100

// What is on its way (protocols/delay-window.ts)
/** Queueing on our uplink that is aimed at: a third of what home routers hold, so that words of ours and others' data do not wait. */
export const UPLINK_QUEUE_MS = 30
/** The same for the line to one peer, whose own downlink it may be that is full. */
export const LINE_QUEUE_MS = 60
/** Word of what came waits so long for company, which is what goes out every HAVE_DELAY_MS or more. */
export const GOT_DELAY_MS = 100
/** Not longer than until so much came, or the sender's window would be what bounds a fast line: a quarter of what may be on its way. */
export const GOT_BYTES = 64 * KIB
/** The first of a line is told at once: with it the sender finds its window. */
export const GOT_AT_ONCE_BYTES = 256 * KIB
/** A block of which nothing was heard for so long holds up nobody else: its line gets no more until there is word of it. */
export const LATE_MS = 2_000
/** The least delay of a line is taken over one to two such spans: long enough to meet an empty queue, short enough for a new route. */
export const BASE_DELAY_MS = 60_000
/** Least that may be on its way on one line, and over all of them: two blocks, because a line that nothing is sent over measures nothing. */
export const ON_WAY_BYTES_MIN = 32 * KIB
/** What may be on its way over all lines before anything was measured: ten segments of TCP, three times (RFC 6928). */
export const ON_WAY_BYTES_START = 64 * KIB
/** Most for one line: what its peer may have asked for. */
export const LINE_ON_WAY_BYTES_MAX = 4 * MIB
/** Most over all lines: 30 ms of 2 Gbit/s. */
export const ON_WAY_BYTES_MAX = 8 * MIB
/** An origin whose line was idle for so long offers a piece to all; half of that for each further one: takers are slower than it is. */
export const HANDED_IDLE_MS = 1_000
/** Longest time on top of HANDED_STUCK_MS that takers have to pass something on, where others are slow as well. */
export const HANDED_PASS_MS_MAX = 3_000
/** HANDED_STUCK_MS while the origin's line is busy: thirty takers that share one Mbit/s wait so long for a piece. */
export const HANDED_LOST_MS = 60_000
/** Who has not asked for what it was handed after so long, and two round trips, does not want it: it is handed to another. */
export const HANDED_ANSWER_MS = 500
/** Who keeps what it was handed to itself is handed nothing for so long; doubled each time, to STALLED_PAUSE_MS_MAX. */
export const HANDED_PAUSE_MS = 20_000
/** How often a piece is handed to one peer alone before it is offered to all. */
export const HANDED_TRIES_MAX = 3
