//! One identity gateway between AI clients and everything they reach.
