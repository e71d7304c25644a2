# SPDX-License-Identifier: Apache-2.0
"""One folder for each study: its measurement, page and templates."""
