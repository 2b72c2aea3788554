"""One dimension: what a network does along segments, and what follows exactly from that."""
