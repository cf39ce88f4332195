"""A tap in the wire between a board and its secure element: SEI2C/1 in the middle (docs/sei2c.md).

    wire = Wire(folder / "wire.sock", element_socket)
    wire.on_command = lambda packet: packet        # bytes from count to CRC; None cuts the wire
    wire.after_command = lambda packet: None       # the element has it, nobody has read the answer
    ...                                            # a board with --element wire.sock
    wire.opcodes[0x17]                             # command packets that the element took, by opcode
    wire.close()
"""

import collections
import contextlib
import socket
import threading

COMMAND = 3 # the word address of a command
CONFIG = 0  # zone of Read and Write
ACK = b"\0"


def crc16(data):
    """The element's: polynomial 8005, least significant bit of the data first, not reflected."""
    crc = 0
    for byte in data:
        for bit in range(8):
            crc = (crc << 1 ^ (0x8005 if (crc >> 15 ^ byte >> bit) & 1 else 0)) & 0xFFFF
    return crc.to_bytes(2, "little")


def packet_of(opcode, param1, param2, data=b""):
    """A whole command packet, from count to CRC."""
    body = bytes((7 + len(data), opcode, param1)) + param2.to_bytes(2, "little") + data
    return body + crc16(body)


class Cut(Exception):
    pass


def exactly(connection, n):
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        if not part:
            raise Cut
        data += part
    return data


class Wire:
    def __init__(self, path, element):
        self.path, self.element = str(path), str(element)
        self.on_command = lambda packet: packet
        self.after_command = lambda packet: None
        self.opcodes = collections.Counter()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                board, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(board,), daemon=True).start()

    def serve(self, board):
        """Until either side goes away; then so does the other."""
        with contextlib.suppress(OSError, Cut), board, socket.socket(socket.AF_UNIX) as element:
            element.connect(self.element)
            while True:
                head, packet = exactly(board, 4), None
                data = exactly(board, int.from_bytes(head[2:], "little")) if head[:1] in b"WT" else b""
                if head[:1] == b"W" and data[:1] == bytes((COMMAND,)):
                    if (packet := self.on_command(data[1:])) is None:
                        return
                    data = data[:1] + packet
                reply = self.transfer(element, head, data)
                if packet and reply[:1] == ACK:
                    self.opcodes[packet[1]] += 1
                    self.after_command(packet)
                board.sendall(reply)

    @staticmethod
    def transfer(element, head, data):
        """One request and its reply, as they are on the wire."""
        element.sendall(head + data)
        reply = exactly(element, 3)
        return reply + exactly(element, int.from_bytes(reply[1:], "little"))
