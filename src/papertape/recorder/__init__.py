"""Tapes out: a venue's public streams, recorded as they come, with everything that went wrong on the way."""

from papertape.recorder.recorder import Recorder, RecorderSettings
from papertape.recorder.reel import Reel, Rotation
from papertape.recorder.repair import Repaired, left_behind, repair

__all__ = ["Recorder", "RecorderSettings", "Reel", "Repaired", "Rotation", "left_behind", "repair"]
