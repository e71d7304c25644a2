# SPDX-License-Identifier: Apache-2.0
"""The serial port of this machine."""

import errno
import os

import serial

from hw.host.exchange import DeviceError
from hw.spec.errors import SpecError

#: Explanation of each system error.
_ADVICE = {
    errno.EACCES: "no permission: join the group that owns it, or add a udev rule",
    errno.ENOENT: "no such file",
    errno.ENOTTY: "not a serial port",
    errno.EBUSY: "busy: another program has it open",
    errno.EAGAIN: "busy: another program has it open",
}


class Port:
    """A serial port with a board.

    Parameters
    ----------
    path
        For instance ``/dev/ttyUSB0`` or ``COM3``.
    baud
        Bits per second.

    Raises
    ------
    SpecError
        If the port cannot be opened.
    """

    def __init__(self, path: str, baud: int) -> None:
        self.path, self.baud = path, baud
        try:
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=None, exclusive=True)
            self._serial.reset_input_buffer()
        except (OSError, ValueError, serial.SerialException) as error:
            raise SpecError(f"Serial port {path!r} cannot be opened ({_reason(error)})") from error

    def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._serial.write(data)
        except (OSError, serial.SerialException) as error:
            raise DeviceError(f"Serial port {self.path} failed ({_reason(error)})") from error

    def read(self, seconds: float) -> bytes:
        """Received bytes, waiting for the first one for at most ``seconds``."""
        try:
            self._serial.timeout = seconds
            data: bytes = self._serial.read(1)
            return data + self._serial.read(self._serial.in_waiting) if data else data
        except (OSError, serial.SerialException) as error:
            raise DeviceError(f"Serial port {self.path} failed ({_reason(error)})") from error

    def close(self) -> None:
        """Close the port."""
        self._serial.close()


def _reason(error: Exception) -> str:
    """Short text of the cause."""
    causes = [error, error.__context__]
    numbers = [cause.args[0] for cause in causes if cause and cause.args]
    number = next((number for number in numbers if isinstance(number, int)), None)
    if number in _ADVICE:
        return _ADVICE[number]
    return (os.strerror(number) if number else str(error)).lower()
