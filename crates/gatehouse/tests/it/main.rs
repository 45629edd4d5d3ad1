//! Behaviour of the whole gateway.

mod commands;
