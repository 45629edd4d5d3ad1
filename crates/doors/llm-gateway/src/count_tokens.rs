//! `POST /v1/messages/count_tokens`.

use std::sync::Arc;

use hyper::body::Incoming;

use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::server::routes::Outcome;

use crate::messages::{dispatch, find, read};
use crate::providers::Operation;
use crate::serving::{Serving, settings};
use crate::upstream::Call;

/// Counting passes the same checks as a message, and is answered by the same routes.
pub(crate) async fn count(serving: Arc<Serving>, body: Incoming, context: Context<Verified>) -> Outcome {
    let request = read(body, &context).await?;
    let asked = find(&request, settings(&context)?, &context)?;
    let call = Call { operation: Operation::CountTokens, first_byte: serving.timeouts.token_count };
    dispatch(&serving, &call, &request, asked, &context).await
}
