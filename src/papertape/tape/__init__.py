"""Recorded rows at rest."""

from papertape.tape.batch import FLOOR_NS
from papertape.tape.header import Connection
from papertape.tape.merge import merge
from papertape.tape.reader import Message, Tape, open_tape
from papertape.tape.writer import TapeWriter

__all__ = ["FLOOR_NS", "Connection", "Message", "Tape", "TapeWriter", "merge", "open_tape"]
