# SPDX-License-Identifier: Apache-2.0
"""The exception for a wrong description, and the usual form of its message."""

#: Characters of a value that a message shows, and digits that a whole number may have.
LONGEST, DIGITS = 200, 4300


class SpecError(ValueError):
    """A description that cannot be built; the message is one line that users can read."""


def require(condition: bool, noun: str, requirement: str, value: object) -> None:
    """Raise ``<noun> must be <requirement>, not <value>`` unless ``condition`` holds."""
    if not condition:
        raise SpecError(f"{noun} must be {requirement}, not {shortened(value)}")


def shortened(value: object) -> str:
    """Text of ``value`` in a message: its `repr`, without the middle if it is long."""
    try:
        text = repr(value)
    except ValueError:  # A whole number of more digits than Python prints.
        return f"a number of more than {DIGITS} digits"
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 4
    return f"{text[:half]}...{text[-half:]} ({len(text)} characters)"


def counted(count: int, noun: str) -> str:
    """A number of things: ``1 cycle``, ``2 cycles``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def whole_number(noun: str, text: str, low: int, high: int) -> int:
    """Whole number from ``low`` to ``high`` that ``text`` spells; SpecError for anything else."""
    fits = text.isascii() and text.isdecimal() and len(text.lstrip("0")) <= len(str(high))
    number = int(text.lstrip("0") or "0") if fits else low - 1
    require(low <= number <= high, noun, f"a whole number from {low} to {high}", text)
    return number


def require_int(noun: str, value: object, low: int, high: int) -> None:
    """Raise unless ``value`` is an integer from ``low`` to ``high``; a bool is not an integer."""
    within = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(within, noun, f"an integer from {low} to {high}", value)
