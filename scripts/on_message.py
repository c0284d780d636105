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


def end_of_whole_lines(diary):
    """The position behind the last line feed."""
    diary.seek(0)
    text = diary.read()
    return len(text[: text.rfind("\n") + 1].encode())


def main():
    event = json.load(sys.stdin)
    message = event["data"]
    if "body" not in message:
        return  # its contact was removed since
    line = "\t".join([event["id"], message["contactId"], json.dumps(message["body"]["text"])]) + "\n"
    with open(sys.argv[1], "a+", encoding="utf-8") as diary:
        diary.seek(0)
        # The daemon was killed after we wrote and before it noted that: the event comes again, with the same id.
        # A line that it was writing then, or for which the disk had no room, has no end: it is written again, whole.
        if any(known == line for known in diary):
            return
        cut = end_of_whole_lines(diary)
        diary.seek(cut)
        diary.truncate()
        diary.write(line)
        diary.flush()
        os.fsync(diary.fileno())


if __name__ == "__main__":
    main()  # exit code 0 acknowledges; an exception is exit code 1, and the event comes again
