#!/usr/bin/env python3
"""A hook: appends every text that arrives to a file. Python's standard library only.

In config.toml of the daemon:

    [[hook]]
    name = "diary"
    command = ["/usr/bin/python3", "/absolute/path/of/on_message.py", "/absolute/path/of/diary.txt"]
    events = ["message.received"]

then: hearsay config reload
"""

import json
import os
import sys


def main():
    event = json.load(sys.stdin)
    message = event["data"]
    if "body" not in message:
        return  # its contact was removed since
    text = json.dumps(message["body"]["text"])
    line = ("\t".join([event["id"], message["contactId"], text]) + "\n").encode()
    with open(sys.argv[1], "ab+") as diary:
        diary.seek(0)
        known = diary.read()
        last = known[known.rfind(b"\n") + 1 :]
        # The daemon was killed after we wrote and before it noted that: the event comes again, with the same id.
        if line in known.splitlines(keepends=True):
            return
        if line.startswith(last):
            # What we were writing then, or what the disk had room for: it is written again, whole.
            diary.truncate(len(known) - len(last))
        else:
            line = b"\n" + line  # somebody has edited the file
        diary.write(line)
        diary.flush()
        os.fsync(diary.fileno())


if __name__ == "__main__":
    main()  # exit code 0 acknowledges; an exception is exit code 1, and the event comes again
