# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a host and a board; every message is one line, fit to be shown."""

__all__ = ["DeviceError", "DeviceReset", "Refused"]


class DeviceError(RuntimeError):
    """The board does not answer, or not as its engine must."""


class DeviceReset(DeviceError):
    """The board has been reset since it was identified: what was written may be gone."""


class Refused(DeviceError):
    """The engine refused an access."""
