#!/usr/bin/env python3
"""Answers every message with the same text. Python's standard library only.

usage: HEARSAY_HOME=… python3 scripts/echo_bot.py

It may be stopped, killed and started again at any time: the consumer "echo-bot" remembers what was
acknowledged, and the idempotency key keeps a message from being answered twice.
"""

import itertools
import json
import os
import socket
import sys
import time

CONSUMER = "echo-bot"
# No later try changes these.
HOPELESS = {
    "INVALID_PARAMS",
    "TOO_LARGE",
    "CONTACT_NOT_FOUND",
    "CONTACT_NOT_READY",
    "IDEMPOTENCY_CONFLICT",
}
PATH = os.path.join(os.environ["HEARSAY_HOME"], "rpc.sock")


class RpcError(Exception):
    """An error that the daemon answered."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.data = error.get("data", {})


class Rpc:
    """JSON-RPC, one JSON text per line, over the daemon's Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.ids = itertools.count(1)
        self.events = []

    def read(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection")
        return json.loads(line)

    def call(self, method, **params):
        request_id = next(self.ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self.read()
            if message.get("id") == request_id:
                if "error" in message:
                    raise RpcError(message["error"])
                return message["result"]
            self.events.append(message)  # an event that came before the answer

    def next_event(self):
        """The next event of the subscription; skips heartbeats."""
        while True:
            message = self.events.pop(0) if self.events else self.read()
            if message.get("method") == "event":
                return message["params"]
            if message.get("method") == "event.closed":
                raise ConnectionError(message["params"])


def is_passed_over(error):
    """Also what one contact alone brings about, who does not acknowledge: it must not keep the others waiting."""
    name = error.data.get("name")
    return name in HOPELESS or (name == "QUOTA" and error.data.get("of") == "contact")


def answer(rpc, message):
    """Answers once; what cannot be sent is told and passed over. Any other error ends the bot, and the message comes again."""
    while True:
        try:
            rpc.call(
                "messages.send",
                to=message["contactId"],
                body={"text": "echo: " + message["body"]["text"]},
                idempotencyKey="echo-" + message["messageId"],
            )
            print("answered", message["messageId"], flush=True)
            return
        except RpcError as error:
            if is_passed_over(error):
                print("not answered", message["messageId"], error, flush=True)
                return
            if not error.data.get("retryable"):
                raise
            time.sleep(error.data.get("retryAfterMs", 1000) / 1000)


def main():
    rpc = Rpc(PATH)
    known = {consumer["name"]: consumer for consumer in rpc.call("events.consumers.list")["items"]}
    if CONSUMER not in known:
        rpc.call("events.consumers.create", name=CONSUMER, types=["message.received"])
    elif "formerEpoch" in known[CONSUMER]:
        print(
            "the database was restored: events after the backup are gone,",
            "and messages come again where they were not acknowledged",
            file=sys.stderr,
            flush=True,
        )
    rpc.call("events.subscribe", consumer=CONSUMER)
    print("listening", flush=True)
    while True:
        event = rpc.next_event()
        message = event["data"]
        # Nothing is in it when its contact was removed since, or the disk has lost it ("storage.damaged").
        if "body" in message:
            answer(rpc, message)
        # Only now: had we died before, the event would come again and the key would stop a second answer. With its
        # epoch: in a database that was restored since, the number is that of another event, and the daemon refuses it.
        rpc.call("events.ack", consumer=CONSUMER, seq=event["seq"], epoch=event["epoch"])


if __name__ == "__main__":
    main()
