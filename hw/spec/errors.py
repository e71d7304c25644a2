# SPDX-License-Identifier: Apache-2.0
"""The one exception that a wrong description raises, and the sentence that it carries."""


class SpecError(ValueError):
    """A description that cannot be built; the message is one line, fit to be shown to a user."""


def require(condition: bool, noun: str, requirement: str, value: object) -> None:
    """Raise ``<noun> must be <requirement>, not <value>`` unless ``condition`` holds."""
    if not condition:
        raise SpecError(f"{noun} must be {requirement}, not {value!r}")


def require_int(noun: str, value: object, low: int, high: int) -> None:
    """Raise unless ``value`` is an integer (a bool is none) from ``low`` to ``high``."""
    within = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(within, noun, f"an integer from {low} to {high}", value)
