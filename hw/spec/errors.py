# SPDX-License-Identifier: Apache-2.0
"""The one exception that a wrong description raises, and the sentence that it carries."""

__all__ = ["SpecError", "require"]


class SpecError(ValueError):
    """A description that cannot be built; the message is one line, fit to be shown to a user."""


def require(condition: bool, noun: str, requirement: str, value: object) -> None:
    """Raise ``<noun> must be <requirement>, not <value>`` unless ``condition`` holds."""
    if not condition:
        raise SpecError(f"{noun} must be {requirement}, not {value!r}")
