//! Rego policies: compiled once behind a guard, evaluated on one typed input per decision point.
