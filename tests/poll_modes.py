# SPDX-License-Identifier: BSD-3-Clause
"""testpmd's poll modes, for the tests that change from each to each."""

MODES = ["interrupt", "deferred", "threaded", "threaded-busy", "busy", "prefer-busy", "suspend", "adaptive"]


def all_pairs():
    """Each ordered pair of modes once: a closed walk over all of them."""
    left = {mode: [other for other in MODES if other != mode] for mode in MODES}
    walk, stack = [], [MODES[0]]
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            walk.append(stack.pop())
    pairs = list(zip(walk, walk[1:]))
    if len(pairs) != len(set(pairs)) or len(pairs) != len(MODES) * (len(MODES) - 1):
        raise AssertionError(f"not every pair, once: {walk}")
    return walk
