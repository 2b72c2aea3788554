"""Small real trainings whose truth is measured: what the doctor is scored on.

``populations`` draws rows, ``recipes`` says how to train on them, ``truth`` measures what really happened,
``store`` keeps it, ``scoring`` and ``rules`` compare the doctor and others with it, ``advice`` follows the doctor's.
"""
