# SPDX-License-Identifier: Apache-2.0
"""Specs drawn at random from the grammar: they generate, elaborate and agree with the model.

``python -m tests.random_specs`` checks many and writes a record; ``--spec SPELLING`` repeats one.
"""
