"""Drills: what a gateway keeps when clients race, upstreams stall, stores go away and the process is killed."""
