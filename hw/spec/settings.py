# SPDX-License-Identifier: Apache-2.0
"""Settings of a description: one table for its spelling, parser, command-line options and name.

A spelling starts with a head, which is the operands of a MAC or the format of an output stage.
Settings ``key=value`` follow, separated by commas: ``e4m3,acc=fp32,array=16x16,dataflow=ws``. Every
class of descriptions lists its settings in ``SETTINGS``; `hw.spec.grammar` parses them, and
`hw.spec.command` turns them into options.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

#: Default of a setting that every spelling contains.
REQUIRED = object()


def spelled(value: object) -> str:
    """Text of one value."""
    if isinstance(value, Enum):
        return str(value.value)
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One ``key=value`` part of a spelling.

    Parameters
    ----------
    key
        Name in a spelling.
    meaning
        Help text; for a flag, the effect of giving it.
    metavar
        Word for the value in help texts.
    attribute
        Attribute of the description with the value, if not ``key``.
    default
        Value that a spelling leaves out.
    choices
        Enumeration of the allowed values.
    option
        Name on the command line, if not ``key``.
    flag
        Value that the option sets; the option then takes no argument.
    short
        Abbreviation in names of modules and files.
    """

    key: str
    meaning: str
    metavar: str = "N"
    attribute: str = ""
    default: object = REQUIRED
    choices: type[Enum] | None = None
    option: str = ""
    flag: str = ""
    short: str = "{}"

    @property
    def dest(self) -> str:
        """Attribute of the option in the parsed arguments."""
        name = self.key if self.flag or not self.option else self.option
        return name.replace("-", "_")

    @property
    def option_string(self) -> str:
        """The option, with its dashes."""
        return "--" + (self.option or self.key).replace("_", "-")

    def text(self, description: object) -> str | None:
        """Text of the description's value; None if it is the default."""
        value = getattr(description, self.attribute or self.key)
        return None if value is None or value == self.default else spelled(value)


class Described:
    """A description with a spelling, which `str` returns and `hw.spec.parse_spec` reads."""

    __slots__ = ()

    SETTINGS: ClassVar[tuple[Setting, ...]] = ()

    @property
    def head(self) -> str:
        """First part of the spelling, before the settings."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Spelling, without defaults."""
        return ",".join([self.head, *self.spelled_settings(self.SETTINGS)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def spelled_settings(self, settings: tuple[Setting, ...]) -> list[str]:
        """Settings of the spelling, as ``key=value``."""
        return [
            f"{setting.key}={text}"
            for setting in settings
            if (text := setting.text(self)) is not None
        ]

    def short_settings(self, *keys: str) -> list[str]:
        """Settings in a name, each a valid Verilog identifier."""
        texts = {setting.key: (setting.short, setting.text(self)) for setting in self.SETTINGS}
        return [
            short.format(text.replace("-", "_"))
            for key in keys
            for short, text in [texts[key]]
            if text is not None
        ]
