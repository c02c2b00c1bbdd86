"""What a long-lived process does about its memory once everything is imported."""

import gc


def keep_for_good() -> None:
    """Tell the garbage collector that everything that exists now stays: classes, settings, compiled templates.

    It then walks only through the objects that later work creates. The cost of a full collection depends on how many
    objects it examines, and it would examine several hundred thousand objects of Django and ours again and again for
    nothing. A parent that calls this before it forks also shares them with its children.
    """
    gc.collect()
    gc.freeze()
