"""The secure sum: pure state machines, bytes in, bytes out; no I/O, no clock, no global random."""
