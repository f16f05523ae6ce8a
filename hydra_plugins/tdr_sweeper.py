"""Where Hydra looks for sweepers: it takes them from packages of this name only. The sweeper is in tdr.sweeper."""

from tdr.sweeper import ResumableSweeper


class TdrSweeper(ResumableSweeper):
    """The sweeper, under a name that Hydra accepts."""
