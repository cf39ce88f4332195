"""The computer's side of a serial port, as a script: opens it raw, waits for prompts, types answers.

    with serialhost.Host(port) as host:
        host.wait_for(b"(y/N): ")
        host.type("y")
    text = serialhost.converse(port, serialhost.ANSWERS)       # the whole Provisioning dialogue
"""

import os
import select
import termios
import time
import tty

PATIENCE = 60 # seconds of silence after which a board counts as dead; never a measure of speed
DEVICE = "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
SERIAL = "9f3c0d5e11a2b3c4d5e6f70812233445"
AKI = "27ef225f0a4abc3495559d2085c66d1d955ef033"
SIGNATURE = "2a1d5b4669a85e51c9c3666b2af9203a0c0e9e0d8c11df04c542721bbf29e345" \
    "26dd72b3b3cefc6c45332cd791828fe915b01044bf749c7d673dbaecd98044e9"
# From the question for a new key on.
ANSWERS = ("y", DEVICE, "2025", "11", "22", "23", "31", SERIAL, AKI, SIGNATURE)
LAST = ("Program finished.", "correctly installed.", "Latest version available", "Error ", " failed!", " present!",
    "That's all folks")


class Gone(Exception):
    """The other side of the port was closed."""


class Host:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd, termios.TCSANOW)
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def read(self, seconds):
        """Takes what comes within some time; False when nothing did."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            got = os.read(self.fd, 4096)
        except BlockingIOError:
            return True
        except OSError as error:
            raise Gone(self.text) from error
        if not got:
            raise Gone(self.text)
        self.said += got
        return True

    def wait_for(self, text):
        """Until the board's words end with this; all of them."""
        until = time.monotonic() + PATIENCE
        while not self.said.endswith(text):
            if time.monotonic() > until or not self.read(PATIENCE):
                raise AssertionError(f"the board never said {text!r} but\n{self.text}")
        return self.text

    def type(self, line):
        os.write(self.fd, line.encode() + b"\n")

    @property
    def text(self):
        return self.said.decode("ascii", "replace")

    @property
    def line(self):
        return self.text.rsplit("\n", 1)[-1]

    @property
    def is_over(self):
        if not self.said.endswith(b"\r\n"):
            return False
        line = self.text[:-2].rsplit("\n", 1)[-1]
        return any(last in line for last in LAST)


def converse(port, answers=ANSWERS, end=None):
    """Answers every prompt until the dialogue is over, or `end` was said, or the answers are; what the board said.

    The question whether the chip may be locked is answered with y.
    """
    answers = list(answers)
    with Host(port) as host:
        while not host.is_over and not (end and end in host.text):
            if host.said.endswith(b": "):
                if host.line.startswith("Your "):
                    host.type("y")
                elif answers:
                    host.type(answers.pop(0))
                else:
                    break
            if not host.read(PATIENCE):
                raise AssertionError(f"the board went silent after\n{host.text}")
        return host.text
