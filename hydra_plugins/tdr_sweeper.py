"""Where Hydra looks for sweepers: it takes them from packages of this name only. The sweeper is in tdr.sweeps.

Hydra imports this module at every start, so it imports the sweeper only where one is made.
"""

from __future__ import annotations

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class TdrSweeper(Sweeper):
    """The sweeper, under a name that Hydra accepts; see :class:`tdr.sweeps.sweeper.ResumableSweeper`."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        from tdr.sweeps.sweeper import ResumableSweeper

        self._sweeper = ResumableSweeper(params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """See the sweeper."""
        self._sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """See the sweeper."""
        self._sweeper.sweep(arguments)
