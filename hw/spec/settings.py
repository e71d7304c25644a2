# SPDX-License-Identifier: Apache-2.0
"""Settings of a description, the table behind its spelling, its parser, its options and its name.

A spelling is a head, the operands of a MAC or the format of an output stage, and ``key=value``
parts behind it, separated by commas: ``e4m3,acc=fp32,array=16x16,dataflow=ws``. Every class of
descriptions lists its parts in ``SETTINGS``; `hw.spec.grammar` reads them, `hw.spec.command` makes
options of them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

#: Default of a setting that is always spelled.
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
        What it is, for ``--help``; of a flag what the value does that is not the default one.
    metavar
        Word for the value.
    attribute
        Where the description has the value, if not under ``key``.
    default
        Value that is not spelled.
    choices
        Enumeration whose values the texts are.
    option
        Name on the command line, if not ``key``.
    flag
        Text that the option sets, which takes no value then.
    short
        What stands for the setting in names of modules and files.
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
        """Name of the option's value among the options."""
        return self.key if self.flag or not self.option else self.option

    @property
    def option_string(self) -> str:
        """The option, with its dashes."""
        return "--" + (self.option or self.key).replace("_", "-")

    def text(self, description: object) -> str | None:
        """Text of the value that a description has; None if it goes without saying."""
        value = getattr(description, self.attribute or self.key)
        return None if value is None or value == self.default else spelled(value)


class Described:
    """A description with a spelling: `str` gives it, `hw.spec.parse_spec` reads it back."""

    __slots__ = ()

    SETTINGS: ClassVar[tuple[Setting, ...]] = ()

    @property
    def head(self) -> str:
        """What the settings stand behind."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Spelling: nothing that is a default."""
        return ",".join([self.head, *self.spelled_settings(self.SETTINGS)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def spelled_settings(self, settings: tuple[Setting, ...]) -> list[str]:
        """Parts of the spelling."""
        return [
            f"{setting.key}={text}"
            for setting in settings
            if (text := setting.text(self)) is not None
        ]

    def short_settings(self, *keys: str) -> list[str]:
        """Parts of a name: a valid Verilog identifier each."""
        texts = {setting.key: (setting.short, setting.text(self)) for setting in self.SETTINGS}
        return [
            short.format(text.replace("-", "_"))
            for key in keys
            for short, text in [texts[key]]
            if text is not None
        ]
