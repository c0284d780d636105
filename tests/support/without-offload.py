"""Makes an interface send packets as they would be on a real wire: with their checksums, and no longer than its MTU.
Argument: the interface. Does what `ethtool -K eth0 tx off sg off tso off gso off` does."""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
SET_CHECKSUMS, SET_SCATTER, SET_TCP_SEGMENTS, SET_SEGMENTS = 0x17, 0x19, 0x1F, 0x24

if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (SET_SEGMENTS, SET_TCP_SEGMENTS, SET_SCATTER, SET_CHECKSUMS):
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
            fcntl.ioctl(control.fileno(), SIOCETHTOOL, request)
