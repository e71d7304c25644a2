# SPDX-License-Identifier: Apache-2.0
"""Products on an array, recorded clock by clock, and the page that plays them."""

from sim.view.file import viewed
from sim.view.page import page
from sim.view.record import Recorder, Trace, record, require_viewable

__all__ = ["Recorder", "Trace", "page", "record", "require_viewable",
           "viewed"]
