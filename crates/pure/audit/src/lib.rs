//! The closed vocabulary of things worth recording, their hash chain, and the sink trait.
