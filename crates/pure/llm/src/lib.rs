//! The Messages API: request envelope, streams, usage, models and routes.
