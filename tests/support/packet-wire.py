"""The wire between hosts that are network namespaces: carries every IPv4 packet from one interface of their router to
another, and loses, delays, doubles and plays packets again on the way.

The router does not forward by itself. One JSON object a line on standard input replaces all faults; the answer is one
line with what happened to packets so far. Ends with standard input.

    loss        share of packets that are lost, 0 to 1, in bursts
    burst       mean packets of a burst, 1 or more
    delayMs     of one direction
    jitterMs    up to so much more or less, without changing the order
    rateBps     bits a second of each pair of hosts and direction; null for no limit
    repeat      share of packets that come twice
    replays     packets a second that had passed before and come again
    replayAgeMs how long before at least
"""

import bisect
import collections
import heapq
import json
import os
import random
import select
import socket
import sys
import time

ETHERNET_BYTES = 14
DESTINATION = ETHERNET_BYTES + 16
IPV4 = 0x0800
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
MAX_FRAME_BYTES = 65_536
# A packet that would wait for longer is lost: so are those of a router's queue.
QUEUE_SECONDS = 2.0
BURST_OF_READS = 64
# Kept to be played again: one of so many at first, and at most.
KEPT_OF = 20
KEPT_MOST = 20_000

CLEAN = {
    "loss": 0.0,
    "burst": 1.0,
    "delayMs": 0.0,
    "jitterMs": 0.0,
    "rateBps": None,
    "repeat": 0.0,
    "replays": 0.0,
    "replayAgeMs": 0.0,
}


def mac(net, host):
    return bytes((2, 0, 0, 0, net, host))


class Way:
    """One direction between two hosts."""

    def __init__(self):
        self.is_losing = False
        self.free_at = 0.0
        self.last_at = 0.0


class Wire:
    def __init__(self, nets, seed):
        self.random = random.Random(seed)
        self.faults = dict(CLEAN)
        self.counts = collections.Counter()
        self.ways = collections.defaultdict(Way)
        self.leaving = []
        self.order = 0
        # In the order in which they passed.
        self.kept = []
        self.kept_of = KEPT_OF
        self.next_replay = 0.0
        self.sockets = {}
        for net in nets:
            each = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV4))
            each.bind((f"net{net}", 0))
            each.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_388_608)
            each.setblocking(False)
            self.sockets[net] = each

    def set(self, faults):
        unknown = set(faults) - set(CLEAN)
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
        self.faults = {**CLEAN, **faults}
        self.next_replay = time.monotonic()

    def take(self, source, frame, now):
        if len(frame) < DESTINATION + 4:
            return
        target = frame[DESTINATION + 1]
        if target not in self.sockets or frame[DESTINATION + 3] != 2:
            return
        self.counts["packets"] += 1
        way = self.ways[source, target]
        if self.is_lost(way):
            self.counts["lost"] += 1
            return
        out = mac(target, 2) + mac(target, 1) + frame[12:]
        at = self.departure(way, len(frame), now)
        if at is None:
            self.counts["lost in a queue"] += 1
            return
        self.put(at, target, out)
        if self.random.random() < self.faults["repeat"]:
            self.counts["doubled"] += 1
            self.put(at, target, out)
        self.keep(now, target, out)

    def keep(self, now, target, out):
        if self.random.random() * self.kept_of >= 1:
            return
        self.kept.append((now, target, out))
        if len(self.kept) >= KEPT_MOST:
            # Every other one, of all the time that has passed: without the oldest there is none of an hour ago.
            del self.kept[::2]
            self.kept_of *= 2

    def is_lost(self, way):
        """Gilbert's model: once a packet is lost the next ones are, `burst` of them in the mean."""
        loss = self.faults["loss"]
        if loss <= 0:
            way.is_losing = False
            return False
        burst = max(1.0, self.faults["burst"])
        if way.is_losing:
            way.is_losing = self.random.random() >= 1 / burst
        else:
            way.is_losing = self.random.random() < loss / (burst * (1 - loss))
        return way.is_losing

    def departure(self, way, length, now):
        rate = self.faults["rateBps"]
        at = now
        if rate is not None:
            begins = max(now, way.free_at)
            if begins - now > QUEUE_SECONDS:
                return None
            at = way.free_at = begins + 8 * length / rate
        jitter = self.faults["jitterMs"] * (2 * self.random.random() - 1)
        at += max(0.0, self.faults["delayMs"] + jitter) / 1000
        way.last_at = at = max(at, way.last_at)
        return at

    def put(self, at, target, frame):
        self.order += 1
        heapq.heappush(self.leaving, (at, self.order, target, frame))

    def replay(self, now):
        rate = self.faults["replays"]
        if rate <= 0:
            return
        age = self.faults["replayAgeMs"] / 1000
        while self.next_replay <= now:
            self.next_replay += 1 / rate
            old = bisect.bisect_right(self.kept, (now - age, float("inf")))
            if old == 0:
                continue
            _, target, frame = self.kept[self.random.randrange(old)]
            self.counts["played again"] += 1
            self.put(now, target, frame)

    def send_due(self, now):
        while self.leaving and self.leaving[0][0] <= now:
            _, _, target, frame = heapq.heappop(self.leaving)
            try:
                self.sockets[target].send(frame)
            except OSError:
                self.counts["refused by an interface"] += 1

    def wait_seconds(self, now):
        times = [now + 1.0]
        if self.leaving:
            times.append(self.leaving[0][0])
        if self.faults["replays"] > 0:
            times.append(self.next_replay)
        return max(0.0, min(times) - now)

    def run(self):
        poll = select.epoll()
        poll.register(0, select.EPOLLIN)
        by_number = {each.fileno(): net for net, each in self.sockets.items()}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        rest = b""
        while True:
            for number, _ in poll.poll(self.wait_seconds(time.monotonic())):
                if number == 0:
                    more = os.read(0, 65_536)
                    if not more:
                        return
                    *lines, rest = (rest + more).split(b"\n")
                    for line in lines:
                        self.obey(line)
                else:
                    self.read(number, by_number[number])
            now = time.monotonic()
            self.replay(now)
            self.send_due(now)

    def read(self, number, net):
        now = time.monotonic()
        for _ in range(BURST_OF_READS):
            try:
                frame = self.sockets[net].recv(MAX_FRAME_BYTES)
            except BlockingIOError:
                return
            self.take(net, frame, now)

    def obey(self, line):
        if line.strip():
            self.set(json.loads(line))
        print(json.dumps(self.counts), flush=True)


if __name__ == "__main__":
    Wire([int(net) for net in sys.argv[2:]], sys.argv[1]).run()
