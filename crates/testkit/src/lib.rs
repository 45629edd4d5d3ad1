//! Test peers and fixtures: fake providers with their documented quirks and whole-gateway fixtures.
