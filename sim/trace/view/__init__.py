# SPDX-License-Identifier: Apache-2.0
"""Products on an array, recorded clock by clock, and the page that plays them."""

from sim.trace.view.file import viewed
from sim.trace.view.limits import require_viewable
from sim.trace.view.page import page
from sim.trace.view.record import Trace, record
from sim.trace.view.weights import WeightTrace

__all__ = ["Trace", "WeightTrace", "page", "record", "require_viewable", "viewed"]
