//! The authorization server: routes and thin handlers over the OAuth rules.
