# SPDX-License-Identifier: Apache-2.0
"""Pictures of two tiles in an array."""

from reports.registry import Figure, Page
from reports.studies.wavefront.figure import wavefront
from reports.studies.wavefront.streams import streams

PAGE = Page(figures=(
    Figure("wavefront", "Two tiles flowing through a 4x4 array, cycle by cycle: sums grow along "
           "diagonals from the southwest and leave in the north",
           lambda records: wavefront(records[0])),
    Figure("streams", "Handshakes and beats of the streams of A, B and C in the same cycles",
           lambda records: streams(records[0]))))
