"""Hydra's config loader without what it does twice, which takes a fifth of a second at every start.

Hydra composes a run to learn its mode, throws the result away, and composes the run again. For its help it copies all
of its sources each time that it looks for the options of a group, a hundred times.
"""

from __future__ import annotations

import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

_RUN = "hydra.mode=RUN"  # what Hydra adds to the overrides when nothing sets a mode


class SingleLoader(ConfigLoaderImpl):
    """Returns what Hydra's own loader returns, and raises what it raises."""

    # What the question for the mode was answered with: the name, the overrides, and the config or the error.
    _answer: tuple[str | None, list[str], DictConfig | Exception] | None = None

    def load_configuration(  # noqa: D102
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        known, self._answer = self._answer, None
        if not validate_sweep_overrides:
            config: DictConfig | Exception
            try:
                config = super().load_configuration(config_name, overrides, run_mode, from_shell, False)
            except Exception as error:
                config = error
                raise
            finally:
                self._answer = config_name, list(overrides), config
            return config
        if known is None or run_mode is not RunMode.RUN or known[0] != config_name:
            return super().load_configuration(config_name, overrides, run_mode, from_shell)
        _, asked, config = known
        if overrides not in (asked, [*asked, _RUN]):
            return super().load_configuration(config_name, overrides, run_mode, from_shell)
        self.validate_sweep_overrides_legal(OverridesParser.create().parse_overrides(overrides), run_mode, from_shell)
        if isinstance(config, Exception):
            raise config
        if OmegaConf.missing_keys(config.hydra.runtime.choices):  # accepted for a sweep only
            return super().load_configuration(config_name, overrides, run_mode, from_shell)
        if overrides != asked:
            config.hydra.mode = run_mode
            config.hydra.overrides.hydra.append(_RUN)
        return config

    def get_group_options(  # noqa: D102
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        if config_name is None and not overrides:
            return self.repository.get_group_options(group_name, results_filter)
        return super().get_group_options(group_name, results_filter, config_name, overrides)


def install() -> None:
    """Let Hydra use this loader in this process."""
    hydra._internal.hydra.ConfigLoaderImpl = SingleLoader  # type: ignore[attr-defined]
