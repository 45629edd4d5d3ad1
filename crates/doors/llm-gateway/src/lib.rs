//! The LLM gateway: the Anthropic Messages API with identity, policy and audit in front of model providers.
//!
//! `messages` reads as the list of checks of path C in the architecture; `upstream` sends permitted attempts;
//! `failures` records and logs those that fail; `stream` pumps replies and counts what they used; `dialect` words every
//! refusal as Messages API clients expect.

mod count_tokens;
mod dialect;
mod door;
mod failed;
mod failures;
mod messages;
mod model_call;
mod models;
mod offers;
mod providers;
mod recurring;
mod serving;
mod stream;
mod unserved;
mod upstream;

pub use self::dialect::render;
pub use self::door::LlmGateway;
pub use self::unserved::PLACES;
