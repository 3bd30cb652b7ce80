"""One node of a crowd with libtorrent: torrent-node.py usual|tuned seed|leech TORRENT DIRECTORY.

Says `ready`, begins at the line `go` (a seed at once), says `done` when it has everything, and goes on seeding.
"""
import sys

import libtorrent as lt

# What a crowd on one file gains from: everybody serves everybody, whole pieces soon, little asked in advance.
TUNED = {
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "unchoke_slots_limit": -1,
    "connections_limit": 500,
    "connection_speed": 200,
    "torrent_connect_boost": 100,
    "request_queue_time": 1,
    "max_out_request_queue": 20,
    "max_allowed_in_request_queue": 20,
    "allowed_fast_set_size": 0,
    "send_buffer_watermark": 64 * 1024,
    "send_buffer_low_watermark": 16 * 1024,
}


def main(settings, role, torrent, directory):
    kinds = lt.alert.category_t
    usual = {"listen_interfaces": "0.0.0.0:6881", "alert_mask": kinds.error_notification | kinds.status_notification}
    session = lt.session({**usual, **(TUNED if settings == "tuned" else {})})
    wanted = lt.add_torrent_params()
    wanted.ti = lt.torrent_info(torrent)
    wanted.save_path = directory
    if role == "seed":
        wanted.flags |= lt.torrent_flags.seed_mode
    else:
        print("ready", flush=True)
        sys.stdin.readline()
    session.add_torrent(wanted)
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if role == "leech" and isinstance(alert, lt.torrent_finished_alert):
                print("done", flush=True)


main(*sys.argv[1:])
