"""One flow for `links.bench.ts`: flow.py tcp-sink|tcp-source|udp-sink|udp-source|udp-echo|rtt ADDRESS [SECONDS [MBIT]].

Sinks say bits of payload per second between the first and the last byte; `rtt` says the median of round trips in ms.
"""
import socket
import statistics
import sys
import time

PORT = 5001
PAYLOAD_BYTES = 1400


def sink(kind):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    server.bind(("0.0.0.0", PORT))
    if kind == "tcp":
        server.listen()
    print("ready", flush=True)
    source = server if kind == "udp" else server.accept()[0]
    source.settimeout(None if kind == "tcp" else 20)
    first = last = None
    total = 0
    while True:
        try:
            data = source.recv(65536)
        except socket.timeout:
            break
        if len(data) <= 1:
            break
        last = time.monotonic()
        if first is None:
            first, data = last, b""
        total += len(data)
    print(total * 8 / (last - first), flush=True)


def tcp_source(address, seconds):
    connection = socket.create_connection((address, PORT))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(bytes(16384))


def udp_source(address, seconds, mbit):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begin = time.monotonic()
    sent = 0
    while time.monotonic() < begin + seconds:
        while sent * PAYLOAD_BYTES * 8 < (time.monotonic() - begin) * mbit * 1e6:
            out.sendto(bytes(PAYLOAD_BYTES), (address, PORT))
            sent += 1
        time.sleep(0.001)
    time.sleep(0.5)
    for _ in range(5):
        out.sendto(b"x", (address, PORT))


def udp_echo():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", PORT))
    print("ready", flush=True)
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)


def rtt(address, rounds=100):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.settimeout(2)
    trips = []
    for _ in range(rounds):
        begin = time.monotonic()
        out.sendto(b"ping", (address, PORT))
        try:
            out.recv(100)
            trips.append((time.monotonic() - begin) * 1000)
        except socket.timeout:
            pass
    print(statistics.median(trips), len(trips) / rounds, flush=True)


role, *rest = sys.argv[1:]
if role.endswith("-sink"):
    sink(role[:3])
elif role == "tcp-source":
    tcp_source(rest[0], float(rest[1]))
elif role == "udp-source":
    udp_source(rest[0], float(rest[1]), float(rest[2]))
elif role == "udp-echo":
    udp_echo()
else:
    rtt(rest[0])
