# SPDX-License-Identifier: Apache-2.0
"""Products on an array, recorded clock by clock, and the page that plays them."""

from sim.view.file import viewed
from sim.view.limits import require_viewable
from sim.view.page import page
from sim.view.record import Trace, record
from sim.view.weights import WeightTrace

__all__ = ["Trace", "WeightTrace", "page", "record", "require_viewable", "viewed"]
