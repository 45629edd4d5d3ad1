//! Behaviour of the whole gateway.
