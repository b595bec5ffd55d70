//! A handler's input: the job's payload as it is, or one assembled from other nodes' results.

use std::collections::HashMap;
use std::time::Duration;

use super::backoff::StoreBackoff;
use crate::adapter::{AdapterError, NodeRef};
use crate::context::Context;
use crate::failure::Failure;
use crate::workflow::{Composed, Form, Input, RecipeError};

/// Results read in one call.
const PAGE: usize = 1_000;

/// The payload of the attempt's job. Asks an unreachable store again until it answers.
pub(super) async fn prepare(context: &Context, payload: Vec<u8>) -> Result<Composed, Failure> {
    match context.node() {
        Some(node) if node.composed => compose(context, node, &payload).await,
        _ => Ok(Composed { form: Form::Payload, json: payload }),
    }
}

async fn compose(context: &Context, node: &NodeRef, recipe: &[u8]) -> Result<Composed, Failure> {
    let input = Input::parse(recipe).map_err(|error| match error {
        RecipeError::Newer(_) => Failure::newer(error.to_string()),
        _ => Failure::undecodable(error.to_string()),
    })?;
    let mut nodes = input.nodes();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.retain(|node| context.prior_result(*node).is_none());
    let mut results = HashMap::with_capacity(nodes.len());
    for page in nodes.chunks(PAGE) {
        let read = results_of(context, node, page).await?;
        results.extend(page.iter().zip(read).filter_map(|(node, result)| Some((*node, result?))));
    }
    input
        .compose(|node| context.prior_result(node).or_else(|| results.get(&node).map(Vec::as_slice)))
        .map_err(|error| Failure::fatal(error.to_string()))
}

async fn results_of(
    context: &Context,
    node: &NodeRef,
    page: &[u32],
) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let mut backoff = StoreBackoff::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        match context.app().setup().adapter().workflows().node_results(&node.workflow, page).await {
            Ok(results) => return Ok(results),
            Err(error) if error.is_retryable() => {
                tracing::warn!(job = %context.id(), %error, "cannot read the results that a step needs yet");
                backoff.wait().await;
            }
            Err(error @ AdapterError::Incompatible(_)) => return Err(Failure::newer(error.to_string())),
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &AdapterError) -> Failure {
    Failure::retryable(format!("cannot read the results that this step needs: {error}"))
}
