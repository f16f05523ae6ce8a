"""What may be set of settings, and of what has some: nothing that would be set without an effect."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from tdr.errors import UnknownAttribute, did_you_mean


class Settings:
    """Settings, a dataclass, of which nothing can be set but its fields.

    Attributes:
        group: the config group that they belong to.
    """

    group: ClassVar[str]

    def __setattr__(self, name: str, value: Any) -> None:
        known = [field.name for field in fields(self)]  # type: ignore[arg-type]
        if name not in known:
            raise UnknownAttribute(
                f"{self.group}.{name} must be a known key; got {value!r}. "
                f"Keys in {self.group}: {', '.join(known)}.{did_you_mean(name, known)}"
            )
        super().__setattr__(name, value)


class HasSettings:
    """What has ``settings``, and takes none of them as an attribute of its own."""

    def __setattr__(self, name: str, value: Any) -> None:
        settings = getattr(self, "settings", None)
        if name in [field.name for field in fields(settings)] if settings is not None else ():
            raise UnknownAttribute(f"{name} must be set in the settings; got it beside them. Set settings.{name}.")
        super().__setattr__(name, value)
