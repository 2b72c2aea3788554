"""The parts of :class:`planefold.doctor.Watch`: rows, losses of rows, units, steps, facts and settings."""
