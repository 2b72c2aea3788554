"""What every other part rests on: errors that say what to do, random streams, progress."""
