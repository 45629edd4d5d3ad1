//! Operations routes on the admin listener: status, liveness, readiness.
