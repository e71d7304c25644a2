# SPDX-License-Identifier: Apache-2.0
"""The main job on real input: a digit classifier whose matrix products run on generated RTL."""
